-- Who waits for whom: sessions blocked on a lock, the session that holds it, and for how long.
select a.pid, a.usename, now() - a.query_start as waiting, a.wait_event_type, a.wait_event,
       pg_blocking_pids(a.pid) as blocked_by, left(a.query, 80) as query
  from pg_stat_activity a
 where cardinality(pg_blocking_pids(a.pid)) > 0
 order by waiting desc;
