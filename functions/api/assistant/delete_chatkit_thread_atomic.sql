-- api.delete_chatkit_thread_atomic: ChatKit's Store.delete_thread: delete a thread for good, as
-- api.delete_thread_atomic.
--
-- Takes    p_thread_id: ChatKit's, any text; p_actor_id: whose.
-- Returns  thread_id, conversation_id, data (the thread as it was).
-- Locks    both members' rows, then the conversation row, then its runs.
-- Writes   deletes all that belongs to the conversation; outbox +1.
-- Retry    again: not_found, as it is gone.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, too_large
create or replace function api.delete_chatkit_thread_atomic(
    p_thread_id text,
    p_actor_id  uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_found  record := chat.chatkit_thread(p_thread_id, p_actor_id, true);
    v_result jsonb;
begin
    if v_found.refusal is not null then
        return v_found.refusal;
    end if;
    if (v_found.thread).conversation_id is null then
        return chat.fail('not_found', 'there is no such thread');
    end if;
    v_result := chat.chatkit_thread_result((v_found.thread).conversation_id);
    perform chat.delete_thread((v_found.thread).conversation_id);
    return v_result;
end
$$;

comment on function api.delete_chatkit_thread_atomic is 'Delete a ChatKit thread for good.';
