-- api.create_session_atomic: give a user leave to talk to the assistant for a while, with a secret for their browser.
--
-- Takes    p_user: whose session, a user's id or external id; null: the actor's own. A service that acts for nobody
--          names anybody: an external id that nobody has makes a person of it. p_workflow ({"id": ...}),
--          p_chatkit_configuration: kept, and told with it; p_expires_after: {"anchor": "created_at", "seconds": ...},
--          else chat.limits.session_lifetime; p_rate_limits: {"max_requests_per_1_minute": ...}, else
--          chat.limits.runs_per_minute; p_client_key: the user's key that makes this retryable.
-- Returns  session_id, data, and what OpenAI's SDK reads: client_secret (told here and nowhere else) and so on.
-- Locks    the user's external id, when it is new; the user's row: of many creations at once no more get through than
--          chat.limits.sessions_per_user allows.
-- Writes   sessions +1; users +1 for an external id nobody has.
-- Retry    same p_client_key: the same session with "duplicate": true; other content is refused. The secret is a new
--          one and replaces the first, which is kept nowhere and so cannot be told again.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, idempotency_conflict, too_large,
--          rate_limited
create or replace function api.create_session_atomic(
    p_actor_id              uuid default null,
    p_user                  text default null,
    p_workflow              jsonb default null,
    p_chatkit_configuration jsonb default null,
    p_expires_after         jsonb default null,
    p_rate_limits           jsonb default null,
    p_client_key            text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_limits  chat.limits := (select l from chat.limits l);
    v_refusal jsonb := chat.session_creation_refusal(p_user, p_workflow, p_chatkit_configuration,
                                                     p_expires_after, p_rate_limits, p_client_key);
    v_user    record;
    v_session chat.sessions;
    v_digest  bytea := chat.digest(jsonb_build_array(p_workflow, p_chatkit_configuration, p_expires_after,
                                                    p_rate_limits));
    v_secret  text;
    v_now     timestamptz;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_user := chat.talker(p_actor_id, p_user);
    if v_user.unknown then
        v_user.user_id := chat.named_person(v_user.tenant_id, p_user);
    end if;
    -- A deactivation that made us wait is seen from here on.
    perform from chat.users u where u.user_id = v_user.user_id for no key update;
    v_user := chat.talker(p_actor_id, p_user);
    if v_user.refusal is not null then
        return v_user.refusal;
    end if;
    if v_user.user_id is null then
        return chat.invalid('actor_id', 'is missing');
    end if;

    select s.* into v_session
      from chat.sessions s
     where s.user_id = v_user.user_id and s.client_key = p_client_key;
    if found then
        if v_session.request_digest <> v_digest then
            return chat.fail('idempotency_conflict', 'this client_key was used for another session',
                             jsonb_build_object('session_id', v_session.session_id));
        end if;
        v_secret := chat.new_secret(v_session.session_id);
        update chat.sessions s
           set secret_digest = chat.secret_digest(v_secret)
         where s.session_id = v_session.session_id;
        return chat.session_result(v_session, jsonb_build_object('client_secret', v_secret, 'duplicate', true));
    end if;
    v_now := clock_timestamp();
    if v_limits.sessions_per_user <= (select count(*) from chat.sessions s
                                       where s.user_id = v_user.user_id and s.cancelled_at is null
                                         and s.expires_at > v_now) then
        return chat.fail('rate_limited',
                         format('this user has %s sessions: cancel one first', v_limits.sessions_per_user),
                         jsonb_build_object('limit', v_limits.sessions_per_user));
    end if;

    v_session.session_id := chat.new_id();
    v_secret := chat.new_secret(v_session.session_id);
    insert into chat.sessions as s (session_id, tenant_id, user_id, secret_digest, requests_per_minute, configuration,
                                    client_key, request_digest, created_at, expires_at)
    select v_session.session_id, v_user.tenant_id, v_user.user_id, chat.secret_digest(v_secret),
           coalesce((p_rate_limits -> 'max_requests_per_1_minute')::integer, v_limits.runs_per_minute),
           case when p_workflow is null then '{}' else jsonb_build_object('workflow', p_workflow) end
           || case when p_chatkit_configuration is null then '{}'
                   else jsonb_build_object('chatkit_configuration', p_chatkit_configuration) end,
           p_client_key, case when p_client_key is not null then v_digest end, v_now,
           v_now + coalesce(make_interval(secs => (p_expires_after -> 'seconds')::integer), v_limits.session_lifetime)
    returning s.* into v_session;
    return chat.session_result(v_session, jsonb_build_object('client_secret', v_secret), 201);
end
$$;

comment on function api.create_session_atomic is
    'Give a user leave to talk to the assistant, with a secret for their browser.';
