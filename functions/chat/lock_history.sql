-- chat.lock_history: locks everything a user's erasure touches, in the agreed order.
--
-- Locks    the active members of every conversation the user was ever in, by conversation and user; then those
--          conversations' rows in id order: nobody writes there meanwhile.
create or replace function chat.lock_history(p_user_id uuid) returns void
language plpgsql volatile
as $$
begin
    perform from chat.members m
      where m.left_seq is null
        and m.conversation_id in (select o.conversation_id from chat.members o where o.user_id = p_user_id)
      order by m.conversation_id, m.user_id
        for no key update;
    perform from chat.conversations c
      where c.conversation_id in (select o.conversation_id from chat.members o where o.user_id = p_user_id)
      order by c.conversation_id
        for no key update;
end
$$;

comment on function chat.lock_history is 'Lock every conversation a user was ever in.';
