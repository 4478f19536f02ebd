-- chat.run_json: a run as callers see it.
create or replace function chat.run_json(p_run chat.runs) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'id', p_run.run_id,
        'error', p_run.error,
        'status', p_run.status,
        'attempt', p_run.attempts,
        'answer_id', p_run.answer_id,
        'thread_id', p_run.conversation_id,
        'created_at', p_run.created_at,
        'expires_at', p_run.expires_at,
        'message_id', p_run.message_id,
        'session_id', p_run.session_id,
        'started_at', p_run.started_at,
        'finished_at', p_run.finished_at,
        'conversation_id', p_run.conversation_id)
$$;

comment on function chat.run_json is 'A run as callers see it.';
