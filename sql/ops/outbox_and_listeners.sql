-- Push, in two tables (docs/push.md tells what to make of them). The outbox: how many events it holds and since
-- when. An oldest event far beyond the retention means that nothing calls api.maintain(), or that a listener hangs.
select (select count(*) from chat.outbox) as events,
       (select clock_timestamp() - min(o.created_at) from chat.outbox o) as oldest_event,
       (select l.outbox_retention from chat.limits l) as retention,
       (select count(*) from chat.listeners) as listeners,
       pg_notification_queue_usage() as notify_queue_used;

-- The listeners: who they are, whether they sleep (writers ring for them then), how long ago they were last heard of
-- (up to 5 seconds when awake, half a minute asleep), how many events they have not confirmed, which writers keep them
-- awake, and whether transactions do that are older than the listener.
select l.lock_key as listener,
       l.backend_pid,
       coalesce(a.application_name, 'gone') as session,
       exists (select from pg_locks k where (k.pid, k.mode) = (l.backend_pid, 'ExclusiveLock')
                                        and (k.classid, k.objid) = (c.class, l.lock_key::oid)) as asleep,
       clock_timestamp() - l.fetched_at as heard_of_ago,
       (select count(*)
          from chat.outbox o
         where l.snapshot is null or not pg_visible_in_snapshot(o.xid, l.snapshot)) as unconfirmed,
       array(select k.pid from pg_locks k where k.mode = 'ShareLock'
                                            and (k.classid, k.objid) = (c.class, l.lock_key::oid)) as writers_in_flight,
       coalesce(pg_snapshot_xmin(pg_current_snapshot()) < l.awake_from, true) as older_transactions
  from chat.listeners l
 cross join (values (1346458195::oid)) c (class) -- chat.listener_lock_class()
  left join pg_stat_activity a on a.pid = l.backend_pid
 order by l.lock_key;
