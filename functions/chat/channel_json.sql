-- chat.channel_json: our end of an outside network as callers see it.
create or replace function chat.channel_json(p_channel chat.channels) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'channel_id', p_channel.channel_id,
        'tenant_id', p_channel.tenant_id,
        'provider', p_channel.provider,
        'address', p_channel.address,
        'display_name', p_channel.display_name,
        'user_id', p_channel.user_id,
        'responder_id', p_channel.responder_id,
        'reply_window_seconds', extract(epoch from p_channel.reply_window)::bigint)
$$;

comment on function chat.channel_json is 'Our end of an outside network as callers see it.';
