-- api.assign_thread_atomic: who of the desk takes care of a thread. A person takes it over from the bot that answers,
-- whose run is cancelled; assigned to a bot or to nobody it is given back.
--
-- Takes    p_assignee_id: an agent; null: nobody in particular.
-- Returns  conversation_id; thread, as in list_threads.
-- Locks    the assignee's user row (shared: deactivation waits its turn), the actor's member row, the conversation row,
--          the thread row.
-- Writes   threads (assignee_id, taken_over_at), changes +1 (conversation_updated with assignee_id,
--          previous_assignee_id and taken_over_at), outbox +1; a run that is cancelled, or queued for what the contact
--          has asked and nobody answered.
-- Retry    the same again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member, unsupported
create or replace function api.assign_thread_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_assignee_id     uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_by            record;
    v_id            uuid;
    v_kind          text;
    v_thread        chat.threads;
    v_taken_over_at timestamptz;
begin
    perform from chat.users u where u.user_id = p_assignee_id for share;
    v_by := chat.participant(p_conversation_id, p_actor_id);
    if v_by.refusal is not null then
        return v_by.refusal;
    end if;
    v_id := (v_by.conversation).conversation_id;
    if (v_by.conversation).kind <> 'inbox' then
        return chat.fail('unsupported', 'only conversations of the inbox are assigned');
    end if;
    if p_assignee_id is not null then
        select u.kind into v_kind
          from chat.users u
         where u.user_id = p_assignee_id and u.tenant_id = v_by.tenant_id and chat.is_agent(u);
        if not found then
            return chat.invalid('assignee_id', 'must be someone of the desk');
        end if;
    end if;

    v_thread := chat.lock_thread(v_id);
    v_taken_over_at := case v_kind when 'person' then coalesce(v_thread.taken_over_at, clock_timestamp()) end;
    if v_thread.assignee_id is not distinct from p_assignee_id
       and v_thread.taken_over_at is not distinct from v_taken_over_at then
        return chat.thread_result(v_id, '{"duplicate": true}');
    end if;
    update chat.threads t
       set assignee_id = p_assignee_id, taken_over_at = v_taken_over_at
     where t.conversation_id = v_id;
    perform chat.append_change(
        v_id, 'conversation_updated', v_by.user_id,
        p_data => jsonb_build_object('assignee_id', p_assignee_id, 'previous_assignee_id', v_thread.assignee_id,
                                     'taken_over_at', v_taken_over_at));
    if v_taken_over_at is null then
        perform chat.ask_responder(v_id);
    else
        perform chat.cancel_active_run(v_id);
    end if;
    return chat.thread_result(v_id);
end
$$;

comment on function api.assign_thread_atomic is 'Who of the desk takes care of a thread.';
