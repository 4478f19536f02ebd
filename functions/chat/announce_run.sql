-- chat.announce_run: tells who reads the conversation how a run ended.
--
-- Takes    p_run: the row as it is then.
-- Writes   outbox +1.
create or replace function chat.announce_run(p_run chat.runs) returns void
language plpgsql volatile
as $$
declare
    v_position bigint;
begin
    v_position := chat.publish(
        p_run.conversation_id,
        (jsonb_build_object('type', case p_run.status when 'completed' then 'run_completed' else 'run_failed' end,
                            'run_id', p_run.run_id, 'status', p_run.status, 'message_id', p_run.answer_id,
                            'conversation_id', p_run.conversation_id)
         || case p_run.status when 'completed' then '{}' else jsonb_build_object('error', p_run.error) end)::text,
        p_desk_id => chat.desk_id(p_run.conversation_id));
end
$$;

comment on function chat.announce_run is 'Tell how a run ended.';
