-- chat.events_since: what a listener has not seen yet: the events of every transaction that became visible
-- since a snapshot. Exact in whatever order transactions commit: a transaction not visible in a snapshot
-- had either not begun (xid >= its xmax) or was running (xid among its xip).
--
-- Takes    p_snapshot: the listener's previous one; null: nothing is new, the snapshot is all it wants.
-- Returns  snapshot (that of this look), events, transactions (how many wrote them), missed: more than
--          chat.limits.listener_backlog waited, none is given. Events are ordered by position: it is drawn
--          under the lock that makes seq, so those of a conversation come in log order.
--          What a dump brought along from another server has numbers this one has not reached: it is not given.
-- Cost     two index scans that touch what is returned and nothing else, however long some transaction is open.
create or replace function chat.events_since(p_snapshot pg_snapshot) returns jsonb
language sql volatile
as $$
    with fresh as materialized (
        select o.*
          from chat.outbox o
         where o.xid >= pg_snapshot_xmax(p_snapshot) and o.xid < pg_snapshot_xmax(pg_current_snapshot())
        union all
        select o.*
          from pg_snapshot_xip(p_snapshot) running (xid)
          join chat.outbox o on o.xid = running.xid
         limit (select l.listener_backlog + 1 from chat.limits l)),
    counted as (
        select count(distinct f.xid) as transactions, count(*) > max(l.listener_backlog) as missed
          from fresh f, chat.limits l)
    select jsonb_build_object(
               'snapshot', pg_current_snapshot()::text,
               'transactions', c.transactions,
               'missed', coalesce(c.missed, false),
               'events', case when c.missed then '[]' else coalesce(
                   (select jsonb_agg(chat.event_json(f::chat.outbox) order by f.position) from fresh f), '[]') end)
      from counted c
$$;

comment on function chat.events_since is 'The events of every transaction that became visible since a snapshot.';
