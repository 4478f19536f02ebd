-- api.delete_thread_atomic: delete a thread with the assistant for good: nothing of it stays. A run under way is
-- dropped with it.
--
-- Takes    p_actor_id: the user it belongs to; null: a service that acts for nobody.
-- Returns  thread_id, conversation_id, data (the thread as it was), and what OpenAI's SDK reads: id, object, deleted.
-- Locks    both members' rows, then the conversation row, then its runs: what is being written comes before, and is
--          deleted with the rest.
-- Writes   deletes all that belongs to the conversation; outbox +1.
-- Retry    again: not_found, as it is gone.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.delete_thread_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_is_there boolean := chat.lock_assistant_thread(p_conversation_id);
    v_found    record := chat.assistant_thread(p_conversation_id, p_actor_id);
begin
    if v_found.refusal is not null then
        return v_found.refusal;
    end if;
    if not v_is_there then
        return chat.fail('not_found', 'there is no such assistant thread');
    end if;
    if v_found.user_id <> (v_found.thread).user_id then
        return chat.fail('permission_denied', 'only the user it belongs to deletes a thread');
    end if;

    perform chat.delete_thread(p_conversation_id);
    return chat.ok(jsonb_build_object(
        'id', p_conversation_id, 'object', 'chatkit.thread.deleted', 'deleted', true,
        'thread_id', p_conversation_id, 'conversation_id', p_conversation_id,
        'data', chat.assistant_thread_json(v_found.conversation, v_found.thread)));
end
$$;

comment on function api.delete_thread_atomic is 'Delete a thread with the assistant for good.';
