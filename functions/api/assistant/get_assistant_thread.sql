-- api.get_assistant_thread: one thread with the assistant.
--
-- Takes    p_actor_id: a member of it; null: a service that acts for nobody.
-- Returns  thread_id, conversation_id, data, and what OpenAI's SDK reads of a thread.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.get_assistant_thread(
    p_conversation_id uuid,
    p_actor_id        uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_found record := chat.assistant_thread(p_conversation_id, p_actor_id);
begin
    if v_found.refusal is not null then
        return v_found.refusal;
    end if;
    return chat.assistant_thread_result(p_conversation_id);
end
$$;

comment on function api.get_assistant_thread is 'One thread with the assistant.';
