-- chat.ended_run: the success result of what ends a run, or gives it back.
--
-- Takes    p_run: as it is now; p_changed: false when it was not the caller's any more, or had ended before.
create or replace function chat.ended_run(p_run chat.runs, p_changed boolean) returns jsonb
language sql volatile
as $$
    select chat.run_result(
        p_run, chat.run_message(p_run.conversation_id, p_run.answer_id),
        jsonb_build_object('changed', p_changed)
        || case when p_changed then '{}'::jsonb else '{"duplicate": true}' end)
$$;

comment on function chat.ended_run is 'The success result of what ends a run.';
