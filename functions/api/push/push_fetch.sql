-- api.push_fetch: what became visible since a listener last looked, each event once.
--
-- Takes    p_listener_id: from push_attach; p_snapshot: from the last answer, null at first: from now on.
-- Returns  snapshot (pass it to the next call), events: position (unique), xid (its transaction, as text),
--          conversation_id, event (the frame, as list_changes gives it), user_ids (whom it says it is about),
--          excluded_user_ids (who gets a skip, or nothing if the event has no seq), age (seconds since it was
--          written); transactions (how many wrote them), missed: too much waited, resume from the log.
--          The events of one conversation come in log order.
-- Writes   listeners, every few seconds.
-- Fails    permission_denied, validation_error, not_found
create or replace function api.push_fetch(p_listener_id integer, p_snapshot pg_snapshot default null) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal  jsonb := chat.service_refusal();
    v_listener record;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_listener := chat.confirm_fetch(p_listener_id, p_snapshot, true);
    if v_listener.refusal is not null then
        return v_listener.refusal;
    end if;
    return chat.ok(chat.events_since(p_snapshot, v_listener.as_text));
end
$$;

comment on function api.push_fetch is 'What became visible since a listener last looked, each event once.';
