-- chat.unread: how many messages a member has not read: those after read_seq that are not their
-- own, not system messages, not deleted and not hidden from them.
--
-- Takes    p_conversation, p_member: the rows, the conversation's read no later than the member's. What has
--          come since counts neither as a message nor as a deleted or hidden one.
-- Returns  one row; a set for the same reason as chat.listed_conversation.
-- Cost     the same for 1 and for 100,000 unread: a difference of running numbers (messages.ordinal,
--          members.sent_count), less the rare deleted and hidden messages, which indexes of their own find.
create or replace function chat.unread(p_conversation chat.conversations, p_member chat.members) returns setof bigint
language sql stable
as $$
    select p_conversation.message_count
           - coalesce((select m.ordinal
                         from chat.messages m
                        where m.conversation_id = p_member.conversation_id and m.seq <= p_member.read_seq
                        order by m.seq desc
                        limit 1), p_conversation.purged_count)
           - (p_member.sent_count - p_member.sent_count_at_read)
           - (select count(*)
                from chat.messages m
               where m.conversation_id = p_member.conversation_id
                 and m.seq > p_member.read_seq and m.seq <= p_conversation.last_seq
                 and m.deleted_at is not null and m.sender_id <> p_member.user_id
                 and not exists (select from chat.exclusions e
                                  where e.conversation_id = m.conversation_id
                                    and e.user_id = p_member.user_id and e.seq = m.seq))
           - (select count(*)
                from chat.exclusions e
               where e.conversation_id = p_member.conversation_id
                 and e.user_id = p_member.user_id
                 and e.seq > p_member.read_seq and e.seq <= p_conversation.last_seq)
$$;

comment on function chat.unread is
    'How many messages a member has not read; exact, at a cost that does not grow with it.';
