-- chat.purge_log: deletes one log up to a number. The caller holds the locks.
--
-- Returns  how many messages are gone.
create or replace function chat.purge_log(p_conversation_id uuid, p_seq bigint) returns bigint
language plpgsql volatile
as $$
declare
    v_count   bigint;
    v_ordinal bigint;
begin
    select m.ordinal into v_ordinal
      from chat.messages m
     where m.conversation_id = p_conversation_id and m.seq <= p_seq
     order by m.seq desc
     limit 1;
    perform chat.forget_runs(p_conversation_id, p_seq);
    delete from chat.thread_items i
     using chat.messages m
     where m.conversation_id = p_conversation_id and m.seq <= p_seq
       and i.conversation_id = p_conversation_id and i.message_id = m.id;
    update chat.changes ch
       set previous_content = null
      from chat.messages m
     where m.conversation_id = p_conversation_id and m.seq <= p_seq
       and ch.conversation_id = p_conversation_id and ch.message_id = m.id;
    delete from chat.changes ch where ch.conversation_id = p_conversation_id and ch.seq <= p_seq;
    delete from chat.messages m where m.conversation_id = p_conversation_id and m.seq <= p_seq;
    get diagnostics v_count = row_count;

    -- What is gone cannot be read any more: nobody's unread count may rest on it.
    update chat.members m
       set delivered_seq = greatest(m.delivered_seq, p_seq), read_seq = p_seq,
           sent_count_at_read = m.sent_count - (
               select count(*)
                 from chat.messages t
                where t.conversation_id = p_conversation_id and t.seq > p_seq and t.sender_id = m.user_id)
     where m.conversation_id = p_conversation_id and m.left_seq is null and m.read_seq < p_seq
       and m.role in ('owner', 'admin', 'member');
    update chat.threads t
       set read_seq = p_seq
     where t.conversation_id = p_conversation_id and t.read_seq < p_seq;
    delete from chat.receipts r
     where r.conversation_id = p_conversation_id and r.seq <= p_seq;
    update chat.conversations c
       set purged_seq = p_seq, purged_count = coalesce(v_ordinal, c.purged_count)
     where c.conversation_id = p_conversation_id;
    return v_count;
end
$$;

comment on function chat.purge_log is 'Delete one log up to a number.';
