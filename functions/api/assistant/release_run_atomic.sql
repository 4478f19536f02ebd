-- api.release_run_atomic: a worker that is being stopped gives its run back: the next one begins from the start.
--
-- Takes    p_lease: of the claim.
-- Returns  run_id, conversation_id, thread_id, message (null), data (the run), changed.
-- Rule     It does not count as a try of limits.run_attempts.
-- Locks    the run, and waits for nothing while it has it.
-- Writes   the run, run_deltas (all of it goes), outbox +1.
-- Retry    again, or after the run became somebody else's, it changes nothing: "duplicate": true.
-- Fails    validation_error, permission_denied, not_found
create or replace function api.release_run_atomic(
    p_conversation_id uuid,
    p_run_id          uuid default null,
    p_lease           uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal  jsonb := chat.run_refusal(p_conversation_id, p_run_id, p_lease);
    v_run      chat.runs;
    v_changed  boolean;
    v_position bigint;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    select r.* into v_run
      from chat.runs r
     where r.conversation_id = chat.resolved_conversation(p_conversation_id) and r.run_id = p_run_id
       for no key update;
    if not found then
        return chat.fail('not_found', 'there is no such run');
    end if;
    v_changed := coalesce(v_run.lease = p_lease, false);
    if v_changed then
        delete from chat.run_deltas d
         where d.conversation_id = v_run.conversation_id and d.run_id = p_run_id;
        update chat.runs r
           set status = 'queued', lease = null, lease_for = null, worker = null, releases = r.releases + 1,
               due_at = clock_timestamp()
         where r.conversation_id = v_run.conversation_id and r.run_id = p_run_id
        returning r.* into v_run;
        v_position := chat.publish(null, '{"type": "run_queued"}');
    end if;
    return chat.ended_run(v_run, v_changed);
end
$$;

comment on function api.release_run_atomic is 'A worker that is being stopped gives its run back.';
