-- chat.delete_thread: takes an assistant conversation away for good, with everything said in it. The caller has checked
-- and holds its locks.
--
-- Writes   deletes runs, thread_items, changes, receipts, messages (with reactions and exclusions), assistant_threads,
--          members, the conversation, and its events on their way; outbox +1: clients drop the conversation.
create or replace function chat.delete_thread(p_conversation_id uuid) returns void
language plpgsql volatile
as $$
declare
    v_position bigint;
begin
    delete from chat.outbox o where o.conversation_id = p_conversation_id;
    perform chat.forget_runs(p_conversation_id);
    delete from chat.thread_items i where i.conversation_id = p_conversation_id;
    delete from chat.changes ch where ch.conversation_id = p_conversation_id;
    delete from chat.messages m where m.conversation_id = p_conversation_id;
    delete from chat.receipts r where r.conversation_id = p_conversation_id;
    delete from chat.assistant_threads t where t.conversation_id = p_conversation_id;
    delete from chat.members m where m.conversation_id = p_conversation_id;
    delete from chat.conversations c where c.conversation_id = p_conversation_id;
    v_position := chat.publish(p_conversation_id, jsonb_build_object(
        'type', 'conversation_deleted', 'conversation_id', p_conversation_id)::text);
end
$$;

comment on function chat.delete_thread is 'Take an assistant conversation away for good.';
