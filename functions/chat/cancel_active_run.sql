-- chat.cancel_active_run: ends whatever answer is under way in a conversation. The caller holds the conversation's row,
-- and in an assistant thread the responder's member row.
--
-- Returns  the run as it is then; all null when none was active.
-- Locks    the run.
create or replace function chat.cancel_active_run(p_conversation_id uuid) returns chat.runs
language plpgsql volatile
as $$
declare
    v_run chat.runs := chat.lock_active_run(p_conversation_id);
begin
    if v_run.run_id is not null then
        v_run := chat.finish_run(v_run, 'cancelled');
    end if;
    return v_run;
end
$$;

comment on function chat.cancel_active_run is 'End whatever answer is under way in a conversation.';
