-- chat.withdraw_message: empties a message and writes the change. The caller has checked and holds the locks.
--
-- Takes    p_message: the row as it is; p_actor_id: who deletes it.
-- Writes   the message, its reactions, the ChatKit item it stands for, changes +1 with what it said, outbox +1.
create or replace function chat.withdraw_message(p_message chat.messages, p_actor_id uuid) returns void
language plpgsql volatile
as $$
begin
    delete from chat.reactions r
     where r.conversation_id = p_message.conversation_id and r.message_id = p_message.id;
    delete from chat.thread_items i
     where i.conversation_id = p_message.conversation_id and i.message_id = p_message.id;
    update chat.messages m
       set content = null, metadata = '{}', reaction_count = 0, deleted_at = clock_timestamp()
     where m.conversation_id = p_message.conversation_id and m.id = p_message.id;
    perform chat.append_change(p_message.conversation_id, 'message_deleted', p_actor_id, p_message.id,
                               p_message.content, jsonb_build_object('metadata', p_message.metadata));
end
$$;

comment on function chat.withdraw_message is 'Empty a message and write the change.';
