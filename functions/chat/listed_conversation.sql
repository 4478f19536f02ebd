-- chat.listed_conversation: a conversation as one member sees it: with unread_count, last_message
-- (the latest they may see), their own read_seq and delivered_seq, and a preview of up to five members.
--
-- Returns  one row. A set, so that the planner can put it into the query it is called in: there its subqueries
--          are made ready once, not once a conversation.
create or replace function chat.listed_conversation(p_conversation chat.conversations, p_member chat.members)
returns setof jsonb
language sql stable
as $$
    select chat.conversation_json(p_conversation) || jsonb_build_object(
        'unread_count', (select u.unread from chat.unread(p_conversation, p_member) u (unread)),
        'read_seq', p_member.read_seq,
        'delivered_seq', p_member.delivered_seq,
        'role', p_member.role,
        'notify', p_member.notify,
        'muted_until', p_member.muted_until,
        'last_message', (
            select chat.message_json(m, u.display_name)
              from chat.messages m
              left join chat.users u on u.user_id = m.sender_id
             where m.conversation_id = p_member.conversation_id
               and m.seq >= case p_conversation.history when 'joined' then p_member.joined_seq else 1 end
               and not exists (select from chat.exclusions e
                                where e.conversation_id = m.conversation_id
                                  and e.user_id = p_member.user_id and e.seq = m.seq)
             order by m.seq desc
             limit 1),
        'members', (
            select jsonb_agg(jsonb_build_object('user_id', p.user_id, 'display_name', p.display_name, 'role', p.role)
                             order by p.user_id)
              from (select o.user_id, u.display_name, o.role
                      from chat.members o
                      join chat.users u on u.user_id = o.user_id
                     where o.conversation_id = p_member.conversation_id and o.left_seq is null
                     order by o.user_id
                     limit 5) p))
$$;

comment on function chat.listed_conversation is 'A conversation as one of its members sees it.';
