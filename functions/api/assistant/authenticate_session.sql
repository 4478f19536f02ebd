-- api.authenticate_session: whose client secret this is. For services that let browsers in with it.
--
-- Returns  user_id, tenant_id, session_id, expires_at; else unauthenticated: no such secret, its session is over, or
--          its user deactivated.
-- Fails    validation_error, unauthenticated, permission_denied
create or replace function api.authenticate_session(p_client_secret text) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := chat.service_refusal();
    v_session chat.sessions;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    if p_client_secret is null then
        return chat.invalid('client_secret', 'is missing');
    end if;
    select s.* into v_session
      from chat.sessions s
      join chat.users u on u.user_id = s.user_id and u.deactivated_at is null
     where s.secret_digest = chat.secret_digest(p_client_secret);
    if not found then
        return chat.fail('unauthenticated', 'there is no session with this secret');
    end if;
    if chat.session_status(v_session) <> 'active' then
        return chat.fail('unauthenticated', format('this session is %s', chat.session_status(v_session)),
                         jsonb_build_object('status', chat.session_status(v_session)));
    end if;
    return chat.ok(jsonb_build_object(
        'user_id', v_session.user_id, 'tenant_id', v_session.tenant_id, 'session_id', v_session.session_id,
        'expires_at', v_session.expires_at));
end
$$;

comment on function api.authenticate_session is 'Whose client secret this is.';
