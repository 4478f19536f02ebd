-- api.get_session: one session.
--
-- Takes    p_actor_id: whose it is; null: a service that acts for nobody sees any.
-- Returns  session_id, data (with its status: active, expired or cancelled), and what OpenAI's SDK reads of it, without
--          the secret.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.get_session(
    p_session_id uuid,
    p_actor_id   uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_found record := chat.named_session(p_session_id, p_actor_id);
begin
    if v_found.refusal is not null then
        return v_found.refusal;
    end if;
    return chat.session_result(v_found.session);
end
$$;

comment on function api.get_session is 'One session.';
