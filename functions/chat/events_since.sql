-- chat.events_since: what a listener has not seen yet: the events of every transaction that became visible
-- since a snapshot. Exact in whatever order transactions commit: a transaction not visible in a snapshot
-- had either not begun (xid >= its xmax) or was running (xid among its xip).
--
-- Takes    p_snapshot: the listener's previous one; null: nothing is new, the snapshot is all it wants;
--          p_as_text: give all as one text, two lines an event (chat.event_lines), and not as json within json.
-- Returns  snapshot (that of this look), events, transactions (how many wrote them), missed: more than
--          chat.limits.listener_backlog waited, none is given. Events are ordered by position: it is drawn
--          under the lock that makes seq, so those of a conversation come in log order.
--          What a dump brought along from another server has numbers this one has not reached: it is not given.
-- Cost     two index scans that touch what is returned and nothing else, however long some transaction is open: also
--          where the session planned them, once for good, while the outbox was empty.
create or replace function chat.events_since(p_snapshot pg_snapshot, p_as_text boolean) returns jsonb
language plpgsql volatile
set enable_seqscan = off
as $$
declare
    v_most  integer := (select l.listener_backlog from chat.limits l);
    v_found jsonb;
begin
    with fresh as materialized (
        select o.*
          from chat.outbox o
         where o.xid >= pg_snapshot_xmax(p_snapshot) and o.xid < pg_snapshot_xmax(pg_current_snapshot())
        union all
        select o.*
          from chat.outbox o
         where o.xid = any (array(select running.xid from pg_snapshot_xip(p_snapshot) running (xid)))
         limit v_most + 1),
    counted as (
        select count(distinct f.xid) as transactions, count(*) > v_most as missed
          from fresh f)
    select jsonb_build_object(
               'snapshot', pg_current_snapshot()::text,
               'transactions', c.transactions,
               'missed', c.missed,
               'events', case when c.missed then '[]' else coalesce(
                   case when p_as_text then
                       (select to_jsonb(string_agg(chat.event_lines(f), e'\n' order by f.position)) from fresh f)
                   else
                       (select jsonb_agg(jsonb_build_object(
                                   'age', extract(epoch from clock_timestamp() - f.created_at),
                                   'xid', f.xid::text,
                                   'event', e.event,
                                   'position', f.position,
                                   'desk_id', f.desk_id,
                                   'user_ids', e.event -> 'user_ids',
                                   'conversation_id', f.conversation_id,
                                   'excluded_user_ids', to_jsonb(f.excluded_user_ids)) order by f.position)
                          from fresh f
                         cross join lateral (select f.event::jsonb offset 0) e (event))
                   end, '[]') end)
      into v_found
      from counted c;
    return v_found;
end
$$;

comment on function chat.events_since is 'The events of every transaction that became visible since a snapshot.';
