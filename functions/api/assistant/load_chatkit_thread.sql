-- api.load_chatkit_thread: ChatKit's Store.load_thread.
--
-- Takes    p_thread_id: ChatKit's, any text; p_actor_id: whose.
-- Returns  thread_id, conversation_id, data: its ThreadMetadata as it was saved, with title, metadata and status as the
--          conversation has them now.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, too_large
create or replace function api.load_chatkit_thread(
    p_thread_id text,
    p_actor_id  uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_found record := chat.chatkit_thread(p_thread_id, p_actor_id);
begin
    if v_found.refusal is not null then
        return v_found.refusal;
    end if;
    if (v_found.thread).conversation_id is null then
        return chat.fail('not_found', 'there is no such thread');
    end if;
    return chat.chatkit_thread_result((v_found.thread).conversation_id);
end
$$;

comment on function api.load_chatkit_thread is 'The metadata of a ChatKit thread.';
