-- chat.session_result: the success result that tells of one session: session_id and data, and beside them what
-- OpenAI's SDK reads of a chatkit.session.
--
-- Takes    p_more: what else there is to say; p_status: 200, or 201 for a creation.
-- Why      The SDK's fields are there whether they were given or not, with the values that OpenAI's API answers with.
create or replace function chat.session_result(
    p_session chat.sessions,
    p_more    jsonb default '{}',
    p_status  integer default 200
) returns jsonb
language sql volatile
as $$
    select chat.ok(
        jsonb_build_object(
            'session_id', p_session.session_id,
            'data', chat.session_json(p_session),
            'id', p_session.session_id,
            'object', 'chatkit.session',
            'status', chat.session_status(p_session),
            'expires_at', chat.unix_time(p_session.expires_at),
            'user', (select coalesce(u.external_id, u.user_id::text)
                       from chat.users u where u.user_id = p_session.user_id),
            'workflow', case when p_session.configuration ? 'workflow' then
                '{"version": null, "state_variables": null, "tracing": {"enabled": false}}'::jsonb
                || (p_session.configuration -> 'workflow') end,
            'max_requests_per_1_minute', p_session.requests_per_minute,
            'rate_limits', jsonb_build_object('max_requests_per_1_minute', p_session.requests_per_minute),
            'chatkit_configuration', (
                select jsonb_object_agg(
                           k.key, k.value
                           || case jsonb_typeof(p_session.configuration #> array['chatkit_configuration', k.key])
                                   when 'object' then p_session.configuration #> array['chatkit_configuration', k.key]
                                   else '{}' end)
                  from jsonb_each('{"automatic_thread_titling": {"enabled": true},
                                    "file_upload": {"enabled": false, "max_file_size": null, "max_files": null},
                                    "history": {"enabled": true, "recent_threads": null}}'::jsonb) k))
        || p_more,
        p_status)
$$;

comment on function chat.session_result is 'The success result that tells of one session.';
