-- chat.lock_history: locks everything a user's erasure touches, in the agreed order. The caller holds the
-- user's row, so that nobody adds the user anywhere.
--
-- Locks    the user's sessions, as who asks in one locks that first; joining, in the user's groups: one of those who
--          are there may have to become owner. Then all active members of these groups, those of the user's assistant
--          threads, which will be deleted, and the user's other member rows, by conversation and user; then the rows of
--          all conversations the user was ever in, by id: nobody writes there meanwhile.
create or replace function chat.lock_history(p_user_id uuid) returns void
language plpgsql volatile
as $$
declare
    v_groups  uuid[] := array(
        select m.conversation_id
          from chat.members m
          join chat.conversations c on c.conversation_id = m.conversation_id and c.kind = 'group'
         where m.user_id = p_user_id and m.left_seq is null);
    v_threads uuid[] := array(
        select t.conversation_id from chat.assistant_threads t where t.user_id = p_user_id);
begin
    perform from chat.sessions s where s.user_id = p_user_id order by s.session_id for update;
    perform pg_advisory_xact_lock(k.key)
       from (select chat.joining_lock(g.conversation_id) as key
               from unnest(v_groups) g (conversation_id)
              order by 1) k;
    perform from chat.members m
      where m.left_seq is null and m.role not in ('agent', 'contact')
        and (m.user_id = p_user_id or m.conversation_id = any (v_groups || v_threads))
      order by m.conversation_id, m.user_id
        for no key update;
    perform from chat.conversations c
      where c.conversation_id in (select o.conversation_id from chat.members o where o.user_id = p_user_id)
      order by c.conversation_id
        for no key update;
end
$$;

comment on function chat.lock_history is 'Lock every conversation a user was ever in.';
