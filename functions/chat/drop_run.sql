-- chat.drop_run: ends a run that no worker can have any more (chat.run_problem).
--
-- Takes    p_run: the row, locked or as it was seen.
-- Returns  whether it ended; false: somebody holds what that takes, or it has changed meanwhile.
-- Locks    what chat.lock_run does, in no order, as it waits for nothing.
create or replace function chat.drop_run(p_run chat.runs) returns boolean
language plpgsql volatile
as $$
declare
    v_run     chat.runs;
    v_kind    text;
    v_problem record;
begin
    select c.kind into v_kind
      from chat.conversations c
     where c.conversation_id = p_run.conversation_id
       for no key update skip locked;
    if not found then
        return false;
    end if;
    if v_kind <> 'inbox' then
        perform from chat.members m
          where m.conversation_id = p_run.conversation_id and m.user_id = p_run.responder_id
            for no key update skip locked;
        if not found then
            return false;
        end if;
    end if;
    select r.* into v_run
      from chat.runs r
     where r.conversation_id = p_run.conversation_id and r.run_id = p_run.run_id
       and r.status in ('queued', 'in_progress') and r.due_at <= clock_timestamp()
       for no key update skip locked;
    v_problem := chat.run_problem(v_run);
    if v_run.run_id is null or v_problem.status is null then
        return false;
    end if;
    perform chat.finish_run(v_run, v_problem.status, p_error => v_problem.error);
    return true;
end
$$;

comment on function chat.drop_run is 'End a run that no worker can have any more.';
