-- chat.mark_thread: notes that the desk has read an inbox conversation up to a number; never back.
--
-- Takes    p_conversation_id: of an inbox; p_user_id: the agent; p_seq: null for up to now; p_moves: false only
--          answers.
-- Returns  the success result: conversation_id, read_seq, delivered_seq (the same), unread_count; or a refusal.
-- Locks    the thread row. Not the conversation: marking and receiving go on beside each other. What was there when the
--          call began is read, not what came while it waited.
-- Writes   threads, outbox +1; nothing when the mark does not move.
-- Fails    validation_error, not_found
create or replace function chat.mark_thread(
    p_conversation_id uuid,
    p_user_id         uuid,
    p_seq             bigint,
    p_moves           boolean default true
) returns jsonb
language plpgsql volatile
as $$
declare
    v_last_seq bigint;
    v_seq      bigint;
    v_thread   chat.threads;
    v_position bigint;
begin
    select c.last_seq into v_last_seq from chat.conversations c where c.conversation_id = p_conversation_id;
    v_thread := chat.lock_thread(p_conversation_id);
    if v_thread.conversation_id is null then
        return chat.fail('not_found', 'there is no such thread');
    end if;
    v_seq := coalesce(p_seq, v_last_seq, 0);
    if v_last_seq is null or v_seq > v_last_seq then
        select c.last_seq into v_last_seq from chat.conversations c where c.conversation_id = v_thread.conversation_id;
    end if;
    if v_seq not between 0 and v_last_seq then
        return chat.invalid('seq', format('must be between 0 and %s', v_last_seq));
    end if;

    if p_moves and v_seq > v_thread.read_seq then
        update chat.threads t
           set read_seq = v_seq, last_read_at = clock_timestamp()
         where t.conversation_id = v_thread.conversation_id
        returning t.* into v_thread;
        v_position := chat.publish(
            p_conversation_id => v_thread.conversation_id,
            p_event => jsonb_build_object(
                'type', 'receipt', 'conversation_id', v_thread.conversation_id, 'user_id', p_user_id,
                'delivered_seq', v_thread.read_seq, 'read_seq', v_thread.read_seq)::text,
            p_desk_id => v_thread.tenant_id);
    end if;
    return chat.ok(jsonb_build_object(
        'conversation_id', v_thread.conversation_id,
        'delivered_seq', v_thread.read_seq,
        'read_seq', v_thread.read_seq,
        'unread_count', (select u.unread
                           from chat.conversations c
                          cross join lateral chat.thread_unread(c, v_thread) u (unread)
                          where c.conversation_id = v_thread.conversation_id)));
end
$$;

comment on function chat.mark_thread is 'Note how far the desk has read an inbox conversation.';
