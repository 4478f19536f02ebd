-- chat.advance_watermarks: moves a member's watermarks forward, never back, and tells the others.
--
-- Takes    p_kind: delivered | read (reading implies delivery); p_seq: null for up to now.
-- Returns  the success result: delivered_seq, read_seq, unread_count; or a refusal.
-- Rule     In an inbox the mark is the desk's: see chat.mark_thread.
-- Locks    the member row. Not the conversation: marking and sending do not wait for each other, and what
--          arrives while marking up to now stays unread.
-- Writes   members, receipts +1, outbox +1; nothing when the mark does not move.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function chat.advance_watermarks(
    p_conversation_id uuid,
    p_actor_id        uuid,
    p_kind            text,
    p_seq             bigint
) returns jsonb
language plpgsql volatile
as $$
declare
    v_actor    record;
    v_member   chat.members;
    v_last_seq bigint;
    v_kind     text;
    v_inbox    chat.conversations;
    v_seq      bigint;
begin
    select m.* into v_member
      from chat.members m
     where m.conversation_id = p_conversation_id and m.user_id = coalesce(p_actor_id, chat.subject())
       and m.left_seq is null and m.role not in ('agent', 'contact')
       for no key update;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    select c.last_seq, c.kind into v_last_seq, v_kind
      from chat.conversations c where c.conversation_id = p_conversation_id;
    if v_member.user_id is null or v_kind = 'inbox' then
        -- One desk reads an inbox: the mark is the thread's. What has reached a device of an agent is not kept.
        v_inbox := chat.desk_conversation(p_conversation_id, v_actor.user_id);
        if v_inbox.conversation_id is null then
            return chat.outsider(p_conversation_id, v_actor.tenant_id);
        end if;
        return chat.mark_thread(v_inbox.conversation_id, v_actor.user_id, p_seq, p_kind = 'read');
    end if;

    v_seq := coalesce(p_seq, v_last_seq);
    if v_seq not between 0 and v_last_seq then
        return chat.invalid('seq', format('must be between 0 and %s', v_last_seq));
    end if;

    if v_seq > (case p_kind when 'read' then v_member.read_seq else v_member.delivered_seq end) then
        update chat.members m
           set delivered_seq = greatest(m.delivered_seq, v_seq),
               read_seq = case p_kind when 'read' then v_seq else m.read_seq end,
               last_read_at = case p_kind when 'read' then clock_timestamp() else m.last_read_at end,
               sent_count_at_read = case p_kind when 'read' then m.sent_count - (
                   select count(*)
                     from chat.messages t
                    where t.conversation_id = p_conversation_id and t.seq > v_seq and t.sender_id = m.user_id)
                   else m.sent_count_at_read end
         where m.conversation_id = p_conversation_id and m.user_id = v_actor.user_id
        returning m.* into v_member;
        insert into chat.receipts (conversation_id, user_id, kind, seq, created_at)
        values (p_conversation_id, v_actor.user_id, p_kind, v_seq, clock_timestamp());
        perform chat.publish(p_conversation_id, jsonb_build_object(
            'type', 'receipt', 'conversation_id', p_conversation_id, 'user_id', v_actor.user_id,
            'delivered_seq', v_member.delivered_seq, 'read_seq', v_member.read_seq)::text);
    end if;
    return chat.ok(jsonb_build_object(
        'delivered_seq', v_member.delivered_seq,
        'read_seq', v_member.read_seq,
        -- One snapshot for the counters and for what they count: others are sending and deleting.
        'unread_count', (select chat.unread_count(c, v_member)
                           from chat.conversations c
                          where c.conversation_id = p_conversation_id)));
end
$$;

comment on function chat.advance_watermarks is 'Move a member''s watermarks forward and tell the others.';
