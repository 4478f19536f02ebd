-- api.claim_run: gives a worker the answer that is owed longest, for it alone.
--
-- Takes    p_worker: its name, for people; p_lease: how long it may be silent, by default chat.limits.run_lease.
-- Returns  data: null when none is due; else the run with lease, lease_seconds, timeout_seconds (how long the responder
--          may take), configuration, thread {id, kind, title, metadata}, user {id, display_name, external_id}, messages
--          (what was said, oldest first: id, role user or assistant, source, sender_name, type, content, metadata,
--          created_at); wait_seconds: until the next is due, null when none waits; ended: how many runs could not be
--          given away any more.
-- Rule     A run whose worker was silent for too long is given away again, from the start, limits.run_attempts times.
-- Locks    the run; those that somebody holds are skipped. Of one that ends also its conversation, if nobody holds it.
-- Writes   the run, its deltas; what ending takes for those past expires_at or given away often enough.
-- Fails    validation_error, permission_denied, too_large
create or replace function api.claim_run(p_worker text, p_lease interval default null) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    v_limits  chat.limits := (select l from chat.limits l);
    v_lease   interval := coalesce(p_lease, v_limits.run_lease);
    v_now     timestamptz := clock_timestamp();
    v_refusal jsonb;
    v_run     chat.runs;
    v_due_at  timestamptz := '-infinity'::timestamptz;
    v_after   uuid := '00000000-0000-0000-0000-000000000000'::uuid;
    v_data    jsonb;
    v_ended   integer := 0;
begin
    v_refusal := coalesce(
        chat.service_refusal(),
        case when p_worker is null then chat.invalid('worker', 'is missing') end,
        chat.text_refusal('worker', p_worker, v_limits.key_characters),
        case when v_lease <= interval '0' then chat.invalid('lease', 'must be positive') end);
    if v_refusal is not null then
        return v_refusal;
    end if;

    -- From the oldest on, past those that end here or that somebody holds: for these there is a next time.
    loop
        select r.* into v_run
          from chat.runs r
         where r.status in ('queued', 'in_progress') and r.due_at <= v_now
           and (r.due_at, r.run_id) > (v_due_at, v_after)
         order by r.due_at, r.run_id
         limit 1
           for no key update skip locked;
        exit when not found or v_ended >= v_limits.messages_per_batch;
        if (chat.run_problem(v_run)).status is null then
            delete from chat.run_deltas d
             where d.conversation_id = v_run.conversation_id and d.run_id = v_run.run_id;
            update chat.runs r
               set status = 'in_progress', lease = gen_random_uuid(), lease_for = v_lease, worker = p_worker,
                   attempts = r.attempts + 1, started_at = coalesce(r.started_at, v_now),
                   due_at = least(v_now + v_lease, r.expires_at),
                   input_seq = (select c.last_seq
                                  from chat.conversations c
                                 where c.conversation_id = r.conversation_id)
             where r.conversation_id = v_run.conversation_id and r.run_id = v_run.run_id
            returning r.* into v_run;
            v_data := chat.claimed_run(v_run);
            exit;
        end if;
        v_ended := v_ended + chat.drop_run(v_run)::integer;
        v_due_at := v_run.due_at;
        v_after := v_run.run_id;
    end loop;

    return chat.ok(jsonb_build_object(
        'data', v_data,
        'ended', v_ended,
        'wait_seconds', (select extract(epoch from greatest(r.due_at - v_now, interval '0'))
                           from chat.runs r
                          where r.status in ('queued', 'in_progress')
                            and (r.due_at > v_now or v_ended >= v_limits.messages_per_batch)
                          order by r.due_at
                          limit 1)));
end
$$;

comment on function api.claim_run is 'Give a worker the answer that is owed longest, for it alone.';
