-- chat.receive_original: a message whose edit came before it: what it said at first goes to the history.
--
-- Takes    p_event: a message or an echo; p_contact_id: to whom its identities lead; p_known: what its id names.
-- Returns  outcome: duplicate.
-- Writes   changes +1 with the original as previous content, threads.last_inbound_at, deliveries.sent_at; once. It
--          opens the reply window: a run, where the channel has a responder.
create or replace function chat.receive_original(
    p_channel    chat.channels,
    p_event      jsonb,
    p_contact_id uuid,
    p_known      chat.provider_messages
) returns jsonb
language plpgsql volatile
as $$
declare
    v_at      timestamptz := (p_event ->> 'at')::timestamptz;
    v_message chat.messages;
begin
    if not p_known.is_awaited then
        return '{"outcome": "duplicate"}'::jsonb;
    end if;
    -- Finding out who wrote may have merged two contacts, and moved the message.
    select p.* into strict p_known
      from chat.provider_messages p
     where p.channel_id = p_known.channel_id and p.provider_message_id = p_known.provider_message_id;
    perform chat.unified_contact(p_contact_id, p_known.conversation_id);
    update chat.provider_messages p
       set is_awaited = false, sent_at = v_at
     where p.channel_id = p_known.channel_id and p.provider_message_id = p_known.provider_message_id
    returning p.* into p_known;
    if p_event ->> 'kind' = 'message' then
        update chat.threads t
           set last_inbound_at = greatest(t.last_inbound_at, v_at)
         where t.conversation_id = p_known.conversation_id;
    end if;
    update chat.deliveries d
       set sent_at = least(d.sent_at, v_at)
     where d.conversation_id = p_known.conversation_id and d.message_id = p_known.message_id;
    select m.* into v_message
      from chat.messages m
     where m.conversation_id = p_known.conversation_id and m.id = p_known.message_id;
    if v_message.id is not null and v_message.deleted_at is null then
        update chat.messages m
           set edited_at = greatest(clock_timestamp(), m.created_at + interval '1 microsecond')
         where m.conversation_id = p_known.conversation_id and m.id = p_known.message_id;
        perform chat.append_change(p_known.conversation_id, 'message_edited', v_message.sender_id, v_message.id,
                                   p_event ->> 'content');
    end if;
    if p_event ->> 'reply_to' <> p_known.provider_message_id then
        perform chat.receive_reply(p_channel, jsonb_build_object(
            'kind', 'reply', 'target', p_event ->> 'reply_to', 'id', p_known.provider_message_id, 'at', v_at));
    end if;
    if p_channel.responder_id is not null and p_event ->> 'kind' = 'message' then
        perform chat.ask_responder(p_known.conversation_id);
    end if;
    return '{"outcome": "duplicate"}'::jsonb;
end
$$;

comment on function chat.receive_original is
    'A message whose edit came before it: what it said at first goes to the history.';
