-- chat.original_metadata: what metadata a message was sent with, before a deletion. Null when that has been
-- erased, and with it what the message said.
create or replace function chat.original_metadata(p_message chat.messages) returns jsonb
language sql stable
as $$
    select case when p_message.deleted_at is null then p_message.metadata
                else (select ch.data -> 'metadata'
                        from chat.changes ch
                       where ch.conversation_id = p_message.conversation_id and ch.message_id = p_message.id
                         and ch.kind = 'message_deleted') end
$$;

comment on function chat.original_metadata is 'What metadata a message was sent with; null once erased.';
