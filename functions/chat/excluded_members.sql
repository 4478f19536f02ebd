-- chat.excluded_members: the active members who have blocked a sender; null when there are none.
create or replace function chat.excluded_members(p_conversation_id uuid, p_sender_id uuid) returns uuid[]
language sql volatile
as $$
    select array_agg(b.blocker_id order by b.blocker_id)
      from chat.blocks b
      join chat.members m on m.conversation_id = p_conversation_id and m.user_id = b.blocker_id and m.left_seq is null
     where b.blocked_id = p_sender_id
$$;

comment on function chat.excluded_members is 'The active members who have blocked a sender.';
