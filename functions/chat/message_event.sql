-- chat.message_event: the text of chat.message_frame, for the outbox.
--
-- Takes    p_message: the message's JSON.
-- Cost     put together around the text of what is there: jsonb around jsonb would be taken apart and built anew.
create or replace function chat.message_event(p_message jsonb) returns text
language sql stable
as $$
    select case when p_message ->> 'type' = 'system' then chat.message_frame(p_message)::text
                else '{"seq": ' || (p_message ->> 'seq')
                     || ', "type": "message_created", "message": ' || p_message::text
                     || ', "conversation_id": "' || (p_message ->> 'conversation_id') || '"}' end
$$;

comment on function chat.message_event is 'The event that tells of a message, as text.';
