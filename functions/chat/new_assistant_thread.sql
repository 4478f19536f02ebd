-- chat.new_assistant_thread: makes an assistant conversation, with its two members: the user, who owns it, and the
-- tenant's assistant.
--
-- Takes    p_conversation: the row to insert, as far as the caller decides it (ids, keys, title, metadata, created_by:
--          the user, closed_at); p_session_id: the one it is begun in, if any; p_payload: ChatKit's thread, if it is
--          ChatKit that begins it.
-- Returns  whether it was made: not when somebody else was first.
-- Writes   conversations, assistant_threads, outbox +1, members +2; the assistant itself, once.
create or replace function chat.new_assistant_thread(
    p_conversation chat.conversations,
    p_session_id   uuid,
    p_payload      jsonb default null
) returns boolean
language plpgsql volatile
as $$
declare
    v_assistant_id uuid := (chat.assistant_for(p_conversation.tenant_id)).user_id;
    v_conversation chat.conversations;
begin
    insert into chat.conversations as c (conversation_id, tenant_id, kind, canonical_key, title, metadata, created_by,
                                         client_key, request_digest, closed_at, member_count)
    values (p_conversation.conversation_id, p_conversation.tenant_id, 'assistant', p_conversation.canonical_key,
            p_conversation.title, coalesce(p_conversation.metadata, '{}'), p_conversation.created_by,
            p_conversation.client_key, p_conversation.request_digest, p_conversation.closed_at, 2)
        on conflict do nothing
    returning c.* into v_conversation;
    if not found then
        return false;
    end if;

    insert into chat.members (conversation_id, user_id, tenant_id, role, joined_seq, delivered_seq, read_seq)
    values (v_conversation.conversation_id, v_conversation.created_by, v_conversation.tenant_id, 'owner', 0, 0, 0),
           (v_conversation.conversation_id, v_assistant_id, v_conversation.tenant_id, 'member', 0, 0, 0);
    insert into chat.assistant_threads (conversation_id, tenant_id, user_id, session_id, payload)
    values (v_conversation.conversation_id, v_conversation.tenant_id, v_conversation.created_by, p_session_id,
            p_payload);
    perform chat.publish(v_conversation.conversation_id, jsonb_build_object(
        'type', 'conversation_created', 'conversation_id', v_conversation.conversation_id, 'seq', 0,
        'conversation', chat.conversation_json(v_conversation),
        'user_ids', jsonb_build_array(v_conversation.created_by, v_assistant_id))::text);
    return true;
end
$$;

comment on function chat.new_assistant_thread is 'Make an assistant conversation, with its user and the assistant.';
