-- api.create_thread_atomic: begin a thread with the assistant.
--
-- Takes    p_session_id: the session it is begun in; null: none. p_title, p_metadata; p_client_key: the user's key that
--          makes this retryable.
-- Returns  thread_id, conversation_id (the same), data, and what OpenAI's SDK reads of a thread. It is a conversation
--          of kind assistant: messages, marks and events are those of any.
-- Locks    the user's row, shared (deactivation waits); the session's, shared (its cancellation waits).
-- Writes   conversations, assistant_threads, outbox +1, members +2 (the user and the tenant's assistant).
-- Retry    same p_client_key: the first thread with "duplicate": true, whatever session it is retried in; other content
--          is refused. Once the thread is deleted the key begins another.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, idempotency_conflict, too_large
create or replace function api.create_thread_atomic(
    p_actor_id   uuid default null,
    p_session_id uuid default null,
    p_title      text default null,
    p_metadata   jsonb default null,
    p_client_key text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_limits       chat.limits := (select l from chat.limits l);
    v_refusal      jsonb := coalesce(
        chat.text_refusal('title', p_title, v_limits.title_characters),
        chat.text_refusal('client_key', p_client_key, v_limits.key_characters),
        chat.metadata_refusal(p_metadata));
    v_actor        record;
    v_user         record;
    v_session      record;
    v_digest       bytea := chat.digest(jsonb_build_array(p_title, coalesce(p_metadata, '{}')));
    v_conversation chat.conversations;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    perform from chat.users u where u.user_id = v_actor.user_id for share;
    v_user := chat.talker(v_actor.user_id, null);
    if v_user.refusal is not null then
        return v_user.refusal;
    end if;
    v_session := chat.open_session(p_session_id, v_user.user_id);

    v_conversation.tenant_id := v_user.tenant_id;
    v_conversation.canonical_key := 'assistant:' || v_user.user_id || ':' || p_client_key;
    v_conversation.conversation_id := coalesce(
        chat.derived_id(v_user.tenant_id, v_conversation.canonical_key), chat.new_id());
    -- What is there already is told first: a retry stays one after its session is over.
    if exists (select from chat.conversations c where c.conversation_id = v_conversation.conversation_id) then
        return chat.existing_thread(v_conversation.conversation_id, v_digest);
    end if;
    if p_session_id is not null and v_session.refusal is not null then
        return v_session.refusal;
    end if;

    v_conversation.title := p_title;
    v_conversation.metadata := p_metadata;
    v_conversation.created_by := v_user.user_id;
    v_conversation.client_key := p_client_key;
    v_conversation.request_digest := case when p_client_key is not null then v_digest end;
    if not chat.new_assistant_thread(v_conversation, p_session_id) then
        return chat.existing_thread(v_conversation.conversation_id, v_digest);
    end if;
    return chat.assistant_thread_result(v_conversation.conversation_id, '{}', 201);
end
$$;

comment on function api.create_thread_atomic is 'Begin a thread with the assistant.';
