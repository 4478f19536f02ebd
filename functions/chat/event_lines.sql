-- chat.event_lines: an event as a listener with a channel of its own gets it, in a look or with the bell: two lines,
-- what there is to know about it as json, then the event, to be handed on as it is.
--
-- Takes    p_event: the row of the outbox.
-- Cost     concatenated, not built as jsonb: every event goes through here once for each listener.
create or replace function chat.event_lines(p_event chat.outbox) returns text
language sql stable
as $$
    select '{"xid": ' || p_event.xid
           || ', "position": ' || p_event.position
           || ', "written_at": ' || extract(epoch from p_event.created_at)
           || coalesce(', "conversation_id": "' || p_event.conversation_id || '"', '')
           || coalesce(', "desk_id": "' || p_event.desk_id || '"', '')
           || coalesce(', "excluded_user_ids": ' || to_json(p_event.excluded_user_ids), '')
           || e'}\n' || p_event.event
$$;

comment on function chat.event_lines is 'An event as two lines: what to know about it, and itself.';
