-- api.create_run_atomic: say something to the assistant and ask for its answer.
--
-- Takes    p_content, p_client_message_id, p_metadata: the message, as of api.send_message_atomic; or p_message_id: one
--          that the thread's owner has sent before. p_session_id: the session it is asked in, null: the one that the
--          thread was begun in, if any; p_configuration: an object for the responder.
-- Returns  run_id, conversation_id, thread_id, message (the owner's), data (the run).
-- Rules    One run of a thread is active at a time. A session begins at most as many within a minute as it may.
-- Locks    the session's row, as its runs are counted; the member rows of the actor and of a responder at work; the
--          conversation; its active run.
-- Writes   messages +1, runs +1, outbox +2: all or nothing; ends a run whose answer nobody waits for any more.
-- Retry    same client_message_id, or a message that is being answered or has its answer: that run, "duplicate": true;
--          other content is refused.
-- Fails    validation_error, unsupported, unauthenticated, permission_denied, not_found, not_a_member,
--          idempotency_conflict, conversation_closed, run_in_progress, too_large, rate_limited
create or replace function api.create_run_atomic(
    p_conversation_id   uuid,
    p_actor_id          uuid default null,
    p_content           text default null,
    p_client_message_id text default null,
    p_metadata          jsonb default null,
    p_message_id        uuid default null,
    p_session_id        uuid default null,
    p_configuration     jsonb default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal      jsonb;
    v_session      chat.sessions;
    v_by           record;
    v_question     chat.messages;
    v_run          chat.runs;
    v_message      jsonb;
    v_responder_id uuid;
begin
    v_refusal := coalesce(
        case when p_message_id is null then
                 chat.message_refusal(p_content, p_client_message_id, 'text', p_metadata)
             when num_nonnulls(p_content, p_client_message_id, p_metadata) > 0 then
                 chat.invalid('message_id', 'stands for content, client_message_id and metadata') end,
        chat.object_refusal('configuration', p_configuration, (select l.metadata_bytes from chat.limits l)));
    if v_refusal is not null then
        return v_refusal;
    end if;

    select s.* into v_session
      from chat.sessions s
     where s.session_id = coalesce(p_session_id, (select t.session_id
                                                    from chat.assistant_threads t
                                                   where t.conversation_id = p_conversation_id))
       for no key update;
    v_by := chat.participant(p_conversation_id, p_actor_id, array(
        select r.responder_id
          from chat.runs r
         where r.conversation_id = p_conversation_id and r.status in ('queued', 'in_progress')));
    if v_by.refusal is not null then
        return v_by.refusal;
    end if;
    if (v_by.conversation).kind <> 'assistant' then
        return chat.fail('unsupported', 'runs are asked for in threads of the assistant');
    end if;
    if v_by.role <> 'owner' then
        return chat.fail('permission_denied', 'only its owner asks in a thread');
    end if;
    v_refusal := chat.session_refusal(p_session_id, v_by.user_id);
    if v_refusal is not null then
        return v_refusal;
    end if;

    -- What was asked before.
    if p_message_id is not null then
        select m.* into v_question
          from chat.messages m
         where m.conversation_id = p_conversation_id and m.id = p_message_id and m.sender_id = v_by.user_id;
    elsif p_client_message_id is not null then
        select m.* into v_question
          from chat.messages m
         where m.conversation_id = p_conversation_id and m.sender_id = v_by.user_id
           and m.client_message_id = p_client_message_id;
        v_refusal := case when found then
            chat.replayed(v_question, v_by.display_name, p_content, 'text', p_metadata, null) end;
        if v_refusal ->> 'success' = 'false' then
            return v_refusal;
        end if;
    end if;
    v_run := chat.run_for(v_question, p_message_id is null);
    if v_run.run_id is not null then
        return chat.run_result(v_run, chat.message_json(v_question, v_by.display_name), '{"duplicate": true}');
    end if;
    if v_question.deleted_at is not null or p_message_id is not null and v_question.id is null then
        return chat.fail('not_found', 'there is no such message');
    end if;

    if p_session_id is not null and chat.session_status(v_session) <> 'active' then
        return chat.fail('permission_denied',
                         format('this session is %s: create another', chat.session_status(v_session)),
                         jsonb_build_object('status', chat.session_status(v_session)));
    end if;
    if (v_by.conversation).closed_at is not null then
        return chat.fail('conversation_closed');
    end if;
    v_run := chat.lock_active_run(p_conversation_id);
    if v_run.expires_at > clock_timestamp() then
        return chat.fail('run_in_progress', p_details => jsonb_build_object('run_id', v_run.run_id));
    end if;
    if v_session.requests_per_minute <= (
           select count(*)
             from chat.runs r
            where r.session_id = v_session.session_id and r.created_at > clock_timestamp() - interval '1 minute') then
        return chat.fail('rate_limited',
                         format('this session begins at most %s runs a minute', v_session.requests_per_minute),
                         jsonb_build_object('limit', v_session.requests_per_minute));
    end if;

    -- Write. From here on it succeeds or raises.
    if v_run.run_id is not null then
        perform chat.finish_run(v_run, 'expired');
    end if;
    if v_question.id is null then
        v_message := chat.append_message(
            p_conversation_id, v_by.user_id, v_by.display_name,
            (select u.kind from chat.users u where u.user_id = v_by.user_id), 'text', p_content, p_metadata,
            p_client_message_id => p_client_message_id);
    else
        v_message := chat.message_json(v_question, v_by.display_name);
    end if;
    select m.user_id into strict v_responder_id
      from chat.members m
     where m.conversation_id = p_conversation_id and m.role = 'member';
    v_run := chat.queue_run(
        v_by.conversation, (v_message ->> 'id')::uuid, v_by.user_id, v_responder_id,
        v_session.session_id, p_configuration);
    return chat.run_result(v_run, v_message, p_status => 201);
end
$$;

comment on function api.create_run_atomic is 'Say something to the assistant and ask for its answer.';
