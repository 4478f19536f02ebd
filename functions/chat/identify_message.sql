-- chat.identify_message: learns the provider's id of a message that went out, and applies what has waited for it.
--
-- Takes    p_delivery: the row, whose conversation is locked; p_channel: where it went out; p_provider_message_id,
--          whose name is locked; p_at: when the provider took it.
-- Writes   provider_messages +1, unless the id, or one of this message, is known: one that was sent twice keeps the
--          first; what was parked.
create or replace function chat.identify_message(
    p_delivery            chat.deliveries,
    p_channel             chat.channels,
    p_provider_message_id text,
    p_at                  timestamptz
) returns void
language plpgsql volatile
as $$
begin
    insert into chat.provider_messages (channel_id, provider_message_id, conversation_id, message_id, sent_at)
    values (p_channel.channel_id, p_provider_message_id, p_delivery.conversation_id, p_delivery.message_id, p_at)
        on conflict do nothing;
    if found then
        perform chat.apply_parked(p_channel, p_provider_message_id);
    end if;
end
$$;

comment on function chat.identify_message is 'Learn the provider''s id of a message that went out.';
