-- chat.lock_run: locks a run that is going to end, wherever a merge has taken it.
--
-- Returns  the row as it is now; all null when there is none.
-- Locks    the responder's member row, as the answer will be its message; the conversation row; the run.
create or replace function chat.lock_run(p_conversation_id uuid, p_run_id uuid) returns chat.runs
language plpgsql volatile
as $$
declare
    v_conversation chat.conversations;
    v_run          chat.runs;
begin
    perform chat.lock_members(p_conversation_id, array(
        select r.responder_id from chat.runs r where r.conversation_id = p_conversation_id and r.run_id = p_run_id));
    v_conversation := chat.lock_inbox(p_conversation_id);
    select r.* into v_run
      from chat.runs r
     where r.conversation_id = v_conversation.conversation_id and r.run_id = p_run_id
       for no key update;
    return v_run;
end
$$;

comment on function chat.lock_run is 'Lock a run with all that ending it takes.';
