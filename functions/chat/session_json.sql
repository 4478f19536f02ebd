-- chat.session_json: a session as callers see it. Its secret is told by its creation alone.
create or replace function chat.session_json(p_session chat.sessions) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'id', p_session.session_id,
        'user_id', p_session.user_id,
        'created_at', p_session.created_at,
        'expires_at', p_session.expires_at,
        'status', chat.session_status(p_session),
        'configuration', p_session.configuration)
$$;

comment on function chat.session_json is 'A session as callers see it.';
