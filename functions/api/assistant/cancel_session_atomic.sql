-- api.cancel_session_atomic: end a session before it expires: its secret opens nothing any more, nothing begins in it.
-- Threads stay, and runs that are under way go on.
--
-- Takes    p_actor_id: whose it is; null: a service that acts for nobody.
-- Returns  session_id, data, and what OpenAI's SDK reads of it.
-- Locks    the session's row: what is just beginning in it comes before.
-- Writes   sessions.cancelled_at.
-- Retry    again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.cancel_session_atomic(
    p_session_id uuid,
    p_actor_id   uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_found   record := chat.named_session(p_session_id, p_actor_id, true);
    v_session chat.sessions;
begin
    if v_found.refusal is not null then
        return v_found.refusal;
    end if;
    if (v_found.session).cancelled_at is not null then
        return chat.session_result(v_found.session, '{"duplicate": true}');
    end if;
    update chat.sessions s
       set cancelled_at = clock_timestamp()
     where s.session_id = p_session_id
    returning s.* into v_session;
    return chat.session_result(v_session);
end
$$;

comment on function api.cancel_session_atomic is 'End a session before it expires.';
