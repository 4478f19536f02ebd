-- api.receive_message_atomic: take in one message of a contact: the contact, their conversation and the message in
-- one call. For adapters and services; what providers' webhooks bring goes through receive_webhooks_atomic.
--
-- Takes    p_provider, p_address: the channel it came by, made when it is new; p_provider_message_id: the provider's
--          id; p_contact: an object of at least one of phone (E.164), wa_id, bsuid, parent_bsuid; p_display_name: what
--          the contact calls themselves; p_sent_at: by the provider's clock, null: now; p_reply_to: the provider's id
--          of the message it answers.
-- Returns  message, contact, conversation_id.
-- Locks    the names of the contact's identities and of the message, then the contact, then the conversation.
-- Writes   messages, provider_messages, outbox +1, threads; users, conversations, members, contact_identities of a
--          new contact; what was parked for the message.
-- Retry    the same p_provider_message_id on the same channel: the first message with "duplicate": true.
-- Fails    validation_error, permission_denied
create or replace function api.receive_message_atomic(
    p_provider            text,
    p_address             text default null,
    p_provider_message_id text default null,
    p_contact             jsonb default null,
    p_display_name        text default null,
    p_content             text default null,
    p_type                text default 'text',
    p_metadata            jsonb default null,
    p_sent_at             timestamptz default null,
    p_reply_to            text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_refusal jsonb := chat.service_refusal();
    v_event   jsonb := jsonb_strip_nulls(jsonb_build_object(
        'kind', 'message', 'provider', p_provider, 'address', p_address, 'id', p_provider_message_id,
        'at', to_char(coalesce(p_sent_at, clock_timestamp()) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'contact', p_contact, 'name', p_display_name, 'type', p_type, 'content', p_content,
        'reply_to', p_reply_to)) || jsonb_build_object('metadata', p_metadata);
    v_channel chat.channels;
    v_result  jsonb;
begin
    v_refusal := coalesce(v_refusal, chat.event_refusal(v_event));
    if v_refusal is not null then
        return v_refusal;
    end if;

    perform chat.lock_events(array[v_event]);
    v_channel := chat.channel_for(p_provider, p_address, null);
    v_result := chat.receive_event(v_channel, v_event);
    if v_result ->> 'outcome' = 'received' then
        return (
            select chat.ok(jsonb_build_object(
                       'message', v_result -> 'message',
                       'contact', chat.contact_json(u),
                       'conversation_id', v_result -> 'conversation_id'), 201)
              from chat.users u
             where u.user_id = (v_result ->> 'contact_id')::uuid);
    end if;
    return (
        select chat.ok(jsonb_build_object(
                   'message', case when m.id is not null then chat.message_json(m, u.display_name) end,
                   'contact', (select chat.contact_json(k)
                                 from chat.threads t
                                 join chat.users k on k.user_id = t.contact_id
                                where t.conversation_id = p.conversation_id),
                   'conversation_id', p.conversation_id,
                   'duplicate', true))
          from chat.provider_messages p
          left join chat.messages m on m.conversation_id = p.conversation_id and m.id = p.message_id
          left join chat.users u on u.user_id = m.sender_id
         where p.channel_id = v_channel.channel_id and p.provider_message_id = p_provider_message_id);
end
$$;

comment on function api.receive_message_atomic is
    'Take in one message of a contact, with contact and conversation; idempotent per channel and provider''s id.';
