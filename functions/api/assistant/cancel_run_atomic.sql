-- api.cancel_run_atomic: who asked wants no answer any more. What was said by then is kept as a message.
--
-- Takes    p_actor_id: the thread's owner, an agent of the inbox; null for a service; p_session_id: one of the owner's,
--          or null.
-- Returns  run_id, conversation_id, thread_id, message (what was said, or null), data (the run), changed.
-- Locks    the member rows of the actor and the responder, the conversation, the run.
-- Writes   the run, run_deltas (all of it goes), outbox +1; messages +1 when something was said. Its worker is told
--          when it calls next.
-- Retry    a run that has ended stays as it is: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.cancel_run_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_run_id          uuid default null,
    p_session_id      uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_by      record;
    v_refusal jsonb;
    v_run     chat.runs;
    v_changed boolean;
begin
    if p_run_id is null then
        return chat.invalid('run_id', 'is missing');
    end if;
    if p_actor_id is null and chat.is_service() then
        v_refusal := chat.session_refusal(p_session_id, null);
        if v_refusal is not null then
            return v_refusal;
        end if;
        v_run := chat.lock_run(p_conversation_id, p_run_id);
    else
        v_by := chat.participant(p_conversation_id, p_actor_id, array(
            select r.responder_id
              from chat.runs r
             where r.conversation_id = p_conversation_id and r.run_id = p_run_id));
        v_refusal := coalesce(v_by.refusal, chat.session_refusal(p_session_id, v_by.user_id));
        if v_refusal is not null then
            return v_refusal;
        end if;
        if v_by.role not in ('owner', 'agent') then
            return chat.fail('permission_denied', 'only who asked, or the desk, cancels a run');
        end if;
        select r.* into v_run
          from chat.runs r
         where r.conversation_id = (v_by.conversation).conversation_id and r.run_id = p_run_id
           for no key update;
    end if;
    if v_run.run_id is null then
        return chat.fail('not_found', 'there is no such run');
    end if;

    v_changed := v_run.finished_at is null;
    if v_changed then
        v_run := chat.finish_run(v_run, 'cancelled');
    end if;
    return chat.ended_run(v_run, v_changed);
end
$$;

comment on function api.cancel_run_atomic is 'Who asked wants no answer any more.';
