-- chat.event_json: an event as listeners get it.
create or replace function chat.event_json(p_event chat.outbox) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'xid', p_event.xid::text,
        'position', p_event.position,
        'conversation_id', p_event.conversation_id,
        'event', p_event.event,
        'excluded_user_ids', to_jsonb(p_event.excluded_user_ids),
        'age', extract(epoch from clock_timestamp() - p_event.created_at))
$$;

comment on function chat.event_json is 'An event as listeners get it.';
