-- Push: how many events wait in the outbox and since when, and which listeners are attached. An oldest event
-- far beyond chat.limits.outbox_retention means that nothing calls api.maintain().
select (select count(*) from chat.outbox) as events,
       (select now() - min(o.created_at) from chat.outbox o) as oldest_event,
       (select l.outbox_retention from chat.limits l) as retention,
       (select count(*) from chat.listeners) as listeners,
       pg_notification_queue_usage() as notify_queue_used;
