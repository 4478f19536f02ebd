-- api.push_wake: wake a sleeping listener: writers stop ringing for it, and it gets what came.
--
-- Takes    p_listener_id; p_snapshot: from the last answer.
-- Returns  what push_fetch returns.
-- Locks    gives back the listener's advisory lock.
-- Fails    permission_denied, validation_error, not_found
create or replace function api.push_wake(p_listener_id integer, p_snapshot pg_snapshot) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal  jsonb := chat.service_refusal();
    v_listener record;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    -- First of all: a listener that was forgotten while it slept must not go on making writers ring.
    if p_listener_id is not null then
        perform pg_advisory_unlock(chat.listener_lock_class(), p_listener_id);
    end if;
    v_listener := chat.confirm_fetch(p_listener_id, p_snapshot);
    if v_listener.refusal is not null then
        return v_listener.refusal;
    end if;
    return chat.ok(chat.events_since(p_snapshot, v_listener.as_text));
end
$$;

comment on function api.push_wake is 'Wake a sleeping listener and give it what came.';
