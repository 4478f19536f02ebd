-- chat.blind_members: the active members who may not see a message, and so not what happens to it: it was
-- hidden from them, or lies before they joined where history is joined. Null when there are none.
create or replace function chat.blind_members(p_conversation_id uuid, p_message_id uuid) returns uuid[]
language sql stable
as $$
    select array_agg(b.user_id order by b.user_id)
      from (select e.user_id
              from chat.messages t
              join chat.exclusions e on e.conversation_id = t.conversation_id and e.seq = t.seq
             where t.conversation_id = p_conversation_id and t.id = p_message_id
            union
            select m.user_id
              from chat.messages t
              join chat.conversations c on c.conversation_id = t.conversation_id and c.history = 'joined'
              join chat.members m on m.conversation_id = t.conversation_id
                                 and m.left_seq is null and m.joined_seq > t.seq
             where t.conversation_id = p_conversation_id and t.id = p_message_id) b
$$;

comment on function chat.blind_members is 'The members who may not see a message, nor what happens to it.';
