-- chat.lock_members: the first half of a change of members: locks the member rows it is about.
-- Always before the conversation row, always in this order, so that no two changes and no sender deadlock.
--
-- Takes    p_conversation_id; p_user_ids: whose rows, active or left: PostgreSQL keeps the lock on a row that
--          someone left while we waited for it, so who comes back has to be locked in order like the others.
-- Returns  whose rows are locked. Who joins while we wait for the conversation is not among them and does not
--          count as a member yet: locking a row now could deadlock with its owner, who waits for us.
-- Locks    those member rows, by user id. Not those of an inbox: there the conversation's row stands for them, as
--          who may do what comes from the desk, and a merge takes them along.
create or replace function chat.lock_members(p_conversation_id uuid, p_user_ids uuid[]) returns uuid[]
language sql volatile
as $$
    select array(
        select m.user_id
          from chat.members m
         where m.conversation_id = p_conversation_id and m.user_id = any (p_user_ids)
           and m.role not in ('agent', 'contact')
         order by m.user_id
           for no key update)
$$;

comment on function chat.lock_members is 'Lock member rows in the agreed order; whose they are.';
