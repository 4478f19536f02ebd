-- api.maintain: the regular upkeep; call it every minute or so, from anywhere, any number at once.
--
-- Returns  listeners_removed, outbox_trimmed, outbox_left, webhooks_trimmed, parked_trimmed, runs_ended; skipped: true
--          when another call is at it.
-- Writes   forgets listeners whose backend is gone or that have not fetched for chat.limits.outbox_retention (they
--          are told so, and resume from the log); deletes the events that all others have confirmed; ends the runs that
--          no worker can have any more, as there may be none to ask for them.
-- Why      Trimming needs no clock: what a listener has not confirmed stays, however long its transaction was
--          open. One that is just attaching has confirmed nothing, and so nothing is trimmed.
--          Events with numbers of the future came in a dump from another server.
-- Fails    permission_denied
create or replace function api.maintain() returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal   jsonb := chat.service_refusal();
    v_trimmed   bigint;
    v_listeners bigint;
    v_webhooks  bigint;
    v_parked    bigint;
    v_runs      bigint;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    if not pg_try_advisory_xact_lock(hashtextextended('parley:maintain', 0)) then
        return chat.ok('{"skipped": true}');
    end if;

    delete from chat.listeners l
     where not exists (select from pg_stat_get_activity(l.backend_pid) a where a.pid is not null)
        or l.fetched_at < clock_timestamp() - (select x.outbox_retention from chat.limits x);
    get diagnostics v_listeners = row_count;

    -- An erasure may be rewriting events, in another order: those can wait for the next call.
    delete from chat.outbox o
     using (select x.xid, x.position
              from chat.outbox x
             where x.xid >= pg_snapshot_xmax(pg_current_snapshot()) and x.xid <> pg_current_xact_id()
                or not exists (select from chat.listeners l
                                where l.snapshot is null or not pg_visible_in_snapshot(x.xid, l.snapshot))
               for update skip locked) seen
     where o.xid = seen.xid and o.position = seen.position;
    get diagnostics v_trimmed = row_count;

    delete from chat.webhooks w
     where w.digest in (select x.digest from chat.webhooks x
                         where x.received_at < clock_timestamp() - (select l.webhook_retention from chat.limits l)
                         order by x.received_at
                         limit 10000
                           for update skip locked);
    get diagnostics v_webhooks = row_count;
    delete from chat.parked_events p
     where (p.channel_id, p.provider_message_id, p.digest) in (
               select x.channel_id, x.provider_message_id, x.digest from chat.parked_events x
                where x.parked_at < clock_timestamp() - (select l.webhook_retention from chat.limits l)
                order by x.parked_at
                limit 10000
                  for update skip locked);
    get diagnostics v_parked = row_count;

    -- Found first, ended then: those whose conversation somebody holds wait for the next call.
    select count(*) into v_runs
      from (select r
              from chat.runs r
             where r.status in ('queued', 'in_progress') and r.due_at <= clock_timestamp()
               and (chat.run_problem(r)).status is not null
             order by r.due_at
             limit 1000) o
     where chat.drop_run(o.r);
    return chat.ok(jsonb_build_object('listeners_removed', v_listeners, 'outbox_trimmed', v_trimmed,
                                      'outbox_left', (select count(*) from chat.outbox),
                                      'webhooks_trimmed', v_webhooks, 'parked_trimmed', v_parked,
                                      'runs_ended', v_runs));
end
$$;

comment on function api.maintain is
    'The regular upkeep: forgets listeners that are gone, trims the outbox and what providers sent, ends overdue runs.';
