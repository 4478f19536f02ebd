-- api.save_chatkit_thread_atomic: ChatKit's Store.save_thread: keep a thread's metadata; the first time begin it.
--
-- Takes    p_thread_id: ChatKit's, any text; p_actor_id: whose; p_thread: its ThreadMetadata.
-- Returns  thread_id, conversation_id, data (what api.load_chatkit_thread gives).
-- Rule     The conversation says the same afterwards: title, metadata, and closed where the status is.
-- Locks    the user's row, shared (deactivation waits); both members' rows, then the conversation row.
-- Writes   assistant_threads, conversations; a change for each of: renamed, closed, reopened; the first time as
--          api.create_thread_atomic.
-- Retry    the same again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, too_large
create or replace function api.save_chatkit_thread_atomic(
    p_thread_id text,
    p_actor_id  uuid default null,
    p_thread    jsonb default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal   jsonb := coalesce(chat.service_refusal(), chat.chatkit_thread_refusal(p_thread_id, p_thread));
    v_title     text := case when p_thread ->> 'title' ~ '\S' then p_thread ->> 'title' end;
    v_metadata  jsonb := coalesce(nullif(p_thread -> 'metadata', 'null'), '{}');
    v_is_closed boolean := coalesce(p_thread #>> '{status,type}' = 'closed', false);
    v_user      record;
    v_found     record;
    v_new       chat.conversations;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    perform from chat.users u where u.user_id = p_actor_id for share;
    v_found := chat.chatkit_thread(p_thread_id, p_actor_id, true);
    if v_found.refusal is not null then
        return v_found.refusal;
    end if;

    if (v_found.thread).conversation_id is null then
        v_user := chat.talker(p_actor_id, null);
        if v_user.refusal is not null then
            return v_user.refusal;
        end if;
        v_new.conversation_id := chat.chatkit_conversation_id(v_user.tenant_id, p_thread_id);
        v_new.tenant_id := v_user.tenant_id;
        v_new.canonical_key := case when not chat.is_uuid(p_thread_id) then 'chatkit:' || p_thread_id end;
        v_new.title := v_title;
        v_new.metadata := v_metadata;
        v_new.created_by := v_user.user_id;
        v_new.closed_at := case when v_is_closed then clock_timestamp() end;
        if chat.new_assistant_thread(v_new, null, p_thread) then
            return chat.chatkit_thread_result(v_new.conversation_id, '{}', 201);
        end if;
        -- Someone else was first, at the same moment; or the id is another user's.
        v_found := chat.chatkit_thread(p_thread_id, p_actor_id, true);
        if (v_found.thread).conversation_id is null then
            return chat.fail('not_found', 'there is no such thread');
        end if;
    end if;

    if not chat.change_chatkit_thread(v_found.conversation, v_found.thread, v_title, v_metadata, v_is_closed,
                                      p_thread) then
        return chat.chatkit_thread_result((v_found.thread).conversation_id, '{"duplicate": true}');
    end if;
    return chat.chatkit_thread_result((v_found.thread).conversation_id);
end
$$;

comment on function api.save_chatkit_thread_atomic is 'Keep the metadata of a ChatKit thread.';
