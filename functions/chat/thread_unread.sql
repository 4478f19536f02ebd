-- chat.thread_unread: how many of the contact's messages nobody at the desk has read: those after read_seq that are not
-- deleted. A thread that was never read counts from its start.
--
-- Takes    p_conversation, p_thread: the rows.
-- Returns  one row; a set for the same reason as chat.listed_conversation.
-- Cost     the same for 1 and for 100,000 unread, see chat.unread: an inbox counts only what the contact says.
create or replace function chat.thread_unread(p_conversation chat.conversations, p_thread chat.threads)
returns setof bigint
language sql stable
as $$
    select p_conversation.message_count
           - coalesce((select m.ordinal
                         from chat.messages m
                        where m.conversation_id = p_thread.conversation_id and m.seq <= p_thread.read_seq
                        order by m.seq desc
                        limit 1), p_conversation.purged_count)
           - (select count(*)
                from chat.messages m
               where m.conversation_id = p_thread.conversation_id
                 and m.seq > p_thread.read_seq and m.seq <= p_conversation.last_seq
                 and m.deleted_at is not null and m.source = 'contact')
$$;

comment on function chat.thread_unread is
    'How many of a contact''s messages the desk has not read; exact, at a fixed cost.';
