-- api.mark_thread_read_atomic: note that the desk has read a thread up to a number.
--
-- Takes    p_thread: a conversation's id, also that of one that was merged, or the contact's phone number; p_seq: a log
--          number; null: up to now. Never moves back: an earlier number changes nothing.
-- Returns  conversation_id, read_seq, delivered_seq (the same), unread_count: the contact's messages after it.
-- Locks    the thread row; not the conversation: what arrives while marking stays unread.
-- Writes   threads, outbox +1.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.mark_thread_read_atomic(
    p_thread   text,
    p_actor_id uuid default null,
    p_seq      bigint default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_reader record := chat.thread_reader(p_thread, p_actor_id);
begin
    if v_reader.refusal is not null then
        return v_reader.refusal;
    end if;
    return chat.mark_thread(v_reader.conversation_id, v_reader.user_id, p_seq);
end
$$;

comment on function api.mark_thread_read_atomic is 'Note that the desk has read a thread, by id or phone number.';
