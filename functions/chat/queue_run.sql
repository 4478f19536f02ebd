-- chat.queue_run: asks for an answer. The caller holds the conversation's row and knows that no run is active there.
--
-- Takes    p_message_id: the message to answer; p_actor_id: who asks; p_responder_id: the bot that is to answer.
-- Returns  the run.
-- Writes   runs +1, outbox +1: for listeners alone, whose workers look.
create or replace function chat.queue_run(
    p_conversation  chat.conversations,
    p_message_id    uuid,
    p_actor_id      uuid,
    p_responder_id  uuid,
    p_session_id    uuid default null,
    p_configuration jsonb default null
) returns chat.runs
language plpgsql volatile
as $$
declare
    v_now      timestamptz := clock_timestamp();
    v_run      chat.runs;
    v_position bigint;
begin
    insert into chat.runs as r (conversation_id, run_id, tenant_id, message_id, actor_id, responder_id, session_id,
                                configuration, due_at, created_at, expires_at)
    select p_conversation.conversation_id, chat.new_id(), p_conversation.tenant_id, p_message_id, p_actor_id,
           p_responder_id, p_session_id, coalesce(p_configuration, '{}'), v_now, v_now, v_now + l.run_expiry
      from chat.limits l
    returning r.* into v_run;
    v_position := chat.publish(null, '{"type": "run_queued"}');
    return v_run;
end
$$;

comment on function chat.queue_run is 'Ask a responder for an answer.';
