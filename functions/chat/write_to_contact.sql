-- chat.write_to_contact: a message of ours to the contact of an inbox conversation, which has to go out. Checks
-- nothing: callers have refused everything before.
--
-- Takes    p_thread: the row, locked, as is the open conversation; the others as chat.append_message.
-- Returns  the message's JSON.
-- Writes   messages +1, conversations (last_seq), threads, deliveries +1, the sender's member row the first time,
--          outbox +1. A person who speaks takes over from the bot that answers: its run is cancelled.
create or replace function chat.write_to_contact(
    p_thread            chat.threads,
    p_sender_id         uuid,
    p_sender_name       text,
    p_source            text,
    p_type              text,
    p_content           text,
    p_metadata          jsonb,
    p_reply_to_id       uuid,
    p_client_message_id text default null
) returns jsonb
language plpgsql volatile
as $$
declare
    v_message jsonb;
begin
    if p_source = 'person' and p_thread.taken_over_at is null then
        perform chat.cancel_active_run(p_thread.conversation_id);
    end if;
    perform chat.join_desk(p_thread.conversation_id, p_thread.tenant_id, p_sender_id);
    v_message := chat.append_message(
        p_thread.conversation_id, p_sender_id, p_sender_name, p_source, p_type, p_content, p_metadata, p_reply_to_id,
        p_client_message_id);
    update chat.threads t
       set last_activity_at = (v_message ->> 'created_at')::timestamptz,
           taken_over_at = case when p_source = 'person' then coalesce(t.taken_over_at, clock_timestamp())
                                else t.taken_over_at end
     where t.conversation_id = p_thread.conversation_id;
    insert into chat.deliveries (conversation_id, message_id, channel_id)
    values (p_thread.conversation_id, (v_message ->> 'id')::uuid, p_thread.channel_id);
    return v_message;
end
$$;

comment on function chat.write_to_contact is 'A message of ours to a contact, which has to go out.';
