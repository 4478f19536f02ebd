-- chat.has_other_owner: whether a group can spare an owner: it has another one, or nobody else at all.
-- Call it while holding the conversation row: only then can nobody else leave meanwhile.
create or replace function chat.has_other_owner(p_conversation_id uuid, p_user_id uuid) returns boolean
language sql volatile
as $$
    select coalesce(bool_or(m.role = 'owner'), true)
      from chat.members m
     where m.conversation_id = p_conversation_id and m.user_id <> p_user_id and m.left_seq is null
$$;

comment on function chat.has_other_owner is 'Whether a group would still have an owner, or be empty, without this one.';
