-- chat.lock_groups: locks what a user's deactivation touches, in the agreed order. The caller holds the
-- user's row, so that nobody adds the user anywhere.
--
-- Locks    all the user's member rows, by conversation (what they are sending comes before, or is refused);
--          then their groups' rows, by id.
create or replace function chat.lock_groups(p_user_id uuid) returns void
language plpgsql volatile
as $$
begin
    perform from chat.members m
      where m.user_id = p_user_id and m.left_seq is null and m.role not in ('agent', 'contact')
      order by m.conversation_id
        for no key update;
    perform from chat.conversations c
      where c.kind = 'group'
        and c.conversation_id in (select m.conversation_id from chat.members m
                                   where m.user_id = p_user_id and m.left_seq is null)
      order by c.conversation_id
        for no key update;
end
$$;

comment on function chat.lock_groups is 'Lock a user''s memberships and groups.';
