-- chat.confirm_fetch: notes how far a listener has come, so that maintain() may trim what all have seen.
--
-- Takes    p_listener_id; p_snapshot: the last one it was given, null for its first look.
-- Returns  null, or the refusal for a listener that never attached, is another session, or was forgotten.
-- Locks    the listener's row, when it is written. Then maintain() cannot forget it in the same moment.
-- Writes   listeners, every few seconds; awake_from at the first look: a transaction that overlooked the
--          listener when it published had its xid before this one was assigned.
-- Fails    validation_error, not_found
create or replace function chat.confirm_fetch(p_listener_id integer, p_snapshot pg_snapshot) returns jsonb
language plpgsql volatile
as $$
declare
    v_listener chat.listeners;
begin
    if p_listener_id is null then
        return chat.invalid('listener_id', 'is missing');
    end if;
    select l.* into v_listener
      from chat.listeners l
     where l.lock_key = p_listener_id and l.backend_pid = pg_backend_pid();
    if found and (p_snapshot is null or v_listener.fetched_at < clock_timestamp() - interval '5 seconds') then
        update chat.listeners l
           set snapshot = p_snapshot,
               fetched_at = clock_timestamp(),
               awake_from = case when p_snapshot is null then pg_current_xact_id() else l.awake_from end
         where l.lock_key = p_listener_id;
    end if;
    if not found then
        return chat.fail('not_found', 'this session is not attached as that listener: attach, resume from the log');
    end if;
    return null;
end
$$;

comment on function chat.confirm_fetch is 'Note how far a listener has come, or refuse one that is not attached.';
