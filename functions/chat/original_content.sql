-- chat.original_content: what a message said when it was sent, before any edit or deletion.
-- Null when that has been erased.
create or replace function chat.original_content(p_message chat.messages) returns text
language sql stable
as $$
    select case when p_message.edited_at is null and p_message.deleted_at is null then p_message.content
                else (select ch.previous_content
                        from chat.changes ch
                       where ch.conversation_id = p_message.conversation_id and ch.message_id = p_message.id
                         and ch.kind in ('message_edited', 'message_deleted')
                       order by ch.seq
                       limit 1) end
$$;

comment on function chat.original_content is 'What a message said when it was sent.';
