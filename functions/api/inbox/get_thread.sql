-- api.get_thread: one thread of the desk's inbox.
--
-- Takes    p_thread: a conversation's id, also that of one that was merged, or the contact's phone number.
-- Returns  conversation_id; thread, as in list_threads.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.get_thread(
    p_thread   text,
    p_actor_id uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_reader record := chat.thread_reader(p_thread, p_actor_id);
begin
    return coalesce(v_reader.refusal, chat.thread_result(v_reader.conversation_id));
end
$$;

comment on function api.get_thread is 'One thread of the desk''s inbox, by id or phone number.';
