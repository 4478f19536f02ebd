-- chat.finish_run: ends a run; what was said becomes a message, also when there was to be more of it.
--
-- Takes    p_run: the row; p_status: completed, failed, cancelled or expired; p_content: the answer, null or blank:
--          what was said so far; p_error: why it failed; p_metadata: for the answer.
-- Returns  the run as it is then: failed, when there is nothing to complete it with.
-- Rule     In an inbox a contact gets a whole answer or none, and who said more meanwhile is answered by another run.
-- Locks    nothing: the caller holds what chat.lock_run locks.
-- Writes   messages +1 with what that takes, run_deltas (all of it goes), the run, outbox +1.
create or replace function chat.finish_run(
    p_run      chat.runs,
    p_status   text,
    p_content  text default null,
    p_error    jsonb default null,
    p_metadata jsonb default null
) returns chat.runs
language plpgsql volatile
as $$
declare
    v_is_inbox boolean := chat.desk_id(p_run.conversation_id) is not null;
    v_content  text := p_content;
    v_error    jsonb := p_error;
    v_answer   jsonb;
    v_run      chat.runs;
begin
    if coalesce(v_content, '') !~ '\S' and (p_status = 'completed' or not v_is_inbox) then
        select string_agg(d.content, '' order by d.start) into v_content
          from chat.run_deltas d
         where d.conversation_id = p_run.conversation_id and d.run_id = p_run.run_id;
    end if;
    if v_content ~ '\S' then
        v_answer := chat.append_answer(
            p_run, v_content,
            coalesce(p_metadata, '{}') - 'partial' || jsonb_build_object('run_id', p_run.run_id)
            || case p_status when 'completed' then '{}'
                             else jsonb_build_object('partial', true, 'status', p_status) end);
    else
        v_answer := '{"error": {"code": "empty_answer", "message": "the responder said nothing"}}';
    end if;
    if p_status = 'completed' then
        v_error := v_answer -> 'error';
    end if;

    delete from chat.run_deltas d where d.conversation_id = p_run.conversation_id and d.run_id = p_run.run_id;
    update chat.runs r
       set status = case when p_status = 'completed' and v_error is not null then 'failed' else p_status end,
           error = v_error, answer_id = (v_answer #>> '{message,id}')::uuid,
           lease = null, lease_for = null, finished_at = clock_timestamp()
     where r.conversation_id = p_run.conversation_id and r.run_id = p_run.run_id
    returning r.* into v_run;
    perform chat.announce_run(v_run);
    if v_is_inbox and p_run.status = 'in_progress' and p_status <> 'cancelled' then
        perform chat.ask_responder(v_run.conversation_id, v_run.input_seq);
    end if;
    return v_run;
end
$$;

comment on function chat.finish_run is 'End a run; what was said becomes a message.';
