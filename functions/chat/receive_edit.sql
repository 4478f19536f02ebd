-- chat.receive_edit: a message says something else from now on. The newest edit by the provider's time wins.
--
-- Takes    as chat.receive_said.
-- Returns  as chat.receive_event.
-- Writes   the message, changes +1 with the previous content; of an unknown message the message itself. What became a
--          question, or is none any more, is the responder's business.
create or replace function chat.receive_edit(
    p_channel         chat.channels,
    p_event           jsonb,
    p_contact_id      uuid,
    p_conversation_id uuid,
    p_contact_name    text
) returns jsonb
language plpgsql volatile
as $$
declare
    v_at      timestamptz := (p_event ->> 'at')::timestamptz;
    v_type    text := p_event ->> 'type';
    v_content text := left(case when v_type = 'text' then coalesce(p_event ->> 'content', '')
                                else p_event ->> 'content' end,
                           (select l.content_characters from chat.limits l));
    v_known   chat.provider_messages;
    v_message chat.messages;
begin
    select p.* into v_known
      from chat.provider_messages p
     where p.channel_id = p_channel.channel_id and p.provider_message_id = p_event ->> 'target';
    if not found then
        return chat.receive_said(p_channel, p_event, p_contact_id, p_conversation_id, p_contact_name);
    end if;
    perform chat.unified_contact(p_contact_id, v_known.conversation_id);
    v_message := chat.known_message(p_channel.channel_id, p_event ->> 'target');
    -- Providers' clocks tick in seconds: of two edits in one, the same wins in any order.
    if v_message.id is null or v_message.deleted_at is not null
       or (v_known.edited_at, coalesce(v_message.content, '')) >= (v_at, coalesce(v_content, '')) then
        return '{"outcome": "duplicate"}'::jsonb;
    end if;

    update chat.provider_messages p
       set edited_at = v_at
     where p.channel_id = v_known.channel_id and p.provider_message_id = v_known.provider_message_id;
    update chat.messages m
       set content = v_content, type = v_type, metadata = chat.fitted_metadata(p_event -> 'metadata'),
           edited_at = greatest(clock_timestamp(), coalesce(m.edited_at, m.created_at) + interval '1 microsecond')
     where m.conversation_id = v_message.conversation_id and m.id = v_message.id;
    perform chat.append_change(
        v_message.conversation_id, 'message_edited', v_message.sender_id, v_message.id, v_message.content);
    if p_channel.responder_id is not null then
        perform chat.ask_responder(v_message.conversation_id);
    end if;
    return '{"outcome": "changed"}'::jsonb;
end
$$;

comment on function chat.receive_edit is 'A message says something else from now on.';
