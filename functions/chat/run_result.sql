-- chat.run_result: the success result of what is about one run.
--
-- Takes    p_message: the message to tell beside it; p_more: further named results.
create or replace function chat.run_result(
    p_run     chat.runs,
    p_message jsonb,
    p_more    jsonb default '{}',
    p_status  integer default 200
) returns jsonb
language sql volatile
as $$
    select chat.ok(
        jsonb_build_object(
            'data', chat.run_json(p_run),
            'run_id', p_run.run_id,
            'message', p_message,
            'thread_id', p_run.conversation_id,
            'conversation_id', p_run.conversation_id) || p_more,
        p_status)
$$;

comment on function chat.run_result is 'The success result of what is about one run.';
