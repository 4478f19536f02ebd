-- api.maintain: the regular upkeep; call it every minute or so, from anywhere, any number at once.
--
-- Returns  outbox_trimmed, listeners_removed; skipped: true when another call is at it.
-- Writes   deletes outbox rows older than chat.limits.outbox_retention, and listeners whose backend is gone.
-- Fails    permission_denied
create or replace function api.maintain() returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal   jsonb := chat.service_refusal();
    v_trimmed   bigint;
    v_listeners bigint;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    if not pg_try_advisory_xact_lock(hashtextextended('parley:maintain', 0)) then
        return chat.ok('{"skipped": true}');
    end if;

    -- An erasure may be rewriting events, in another order: those can wait for the next call.
    delete from chat.outbox o
     using (select x.xid, x.position
              from chat.outbox x
             where x.created_at < clock_timestamp() - (select l.outbox_retention from chat.limits l)
               for update skip locked) old
     where o.xid = old.xid and o.position = old.position;
    get diagnostics v_trimmed = row_count;
    delete from chat.listeners l
     where not exists (select from pg_stat_get_activity(l.backend_pid) a where a.pid is not null);
    get diagnostics v_listeners = row_count;
    return chat.ok(jsonb_build_object('outbox_trimmed', v_trimmed, 'listeners_removed', v_listeners));
end
$$;

comment on function api.maintain is 'The regular upkeep: trims the outbox, forgets dead listeners.';
