-- api.push_sleep: let a listener fall asleep, unless there is something to do.
--
-- Takes    p_listener_id; p_snapshot: from the last answer.
-- Returns  asleep, and what push_fetch returns. Asleep: nothing is there, and whoever publishes from now on
--          rings; wait, then call push_wake. Not asleep: hand out the events, if any, and look again; a writer
--          is in flight, or a transaction older than the listener still runs.
-- Locks    the listener's advisory lock, exclusively, from here to push_wake or the end of the session.
--          Got: every writer that had it shared, and so did not ring, has ended, and the look taken after it sees them.
-- Fails    permission_denied, validation_error, not_found
create or replace function api.push_sleep(p_listener_id integer, p_snapshot pg_snapshot) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal  jsonb := chat.service_refusal();
    v_listener record;
    v_asleep   boolean;
    v_seen     jsonb;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_listener := chat.confirm_fetch(p_listener_id, p_snapshot);
    if v_listener.refusal is not null then
        return v_listener.refusal;
    end if;

    -- A look after the lock needs a new snapshot: with an older one there is no sleeping.
    select pg_snapshot_xmin(pg_current_snapshot()) >= l.awake_from
           and current_setting('transaction_isolation') = 'read committed'
      into v_asleep
      from chat.listeners l
     where l.lock_key = p_listener_id;
    if v_asleep then
        -- Session locks stack; one push_wake must do.
        perform pg_advisory_unlock(chat.listener_lock_class(), p_listener_id)
          where exists (select from pg_locks k
                         where k.pid = pg_backend_pid() and k.locktype = 'advisory' and k.mode = 'ExclusiveLock'
                           and k.classid::bigint = chat.listener_lock_class() and k.objid::bigint = p_listener_id);
        v_asleep := pg_try_advisory_lock(chat.listener_lock_class(), p_listener_id);
    end if;

    v_seen := chat.events_since(p_snapshot, v_listener.as_text);
    if v_asleep and (v_seen -> 'events' <> '[]' or (v_seen -> 'missed')::boolean) then
        v_asleep := not pg_advisory_unlock(chat.listener_lock_class(), p_listener_id);
    end if;
    return chat.ok(v_seen || jsonb_build_object('asleep', coalesce(v_asleep, false)));
end
$$;

comment on function api.push_sleep is 'Let a listener fall asleep, unless there is something to do.';
