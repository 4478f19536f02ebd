-- chat.change_item: keeps a ChatKit item that is saved again. The caller holds the thread.
--
-- Takes    p_message: that stands for it; p_is_open: whether the user may say something; p_item: checked by
--          chat.item_refusal.
-- Returns  the success result: "duplicate": true when nothing is new; or a refusal.
-- Writes   thread_items; the message, changes +1, outbox +1, conversations.last_seq when what it says is new.
-- Rule     Who says a message, and who sees it, stays as it is: an item of which that is new becomes another message.
-- Fails    conversation_closed
create or replace function chat.change_item(
    p_thread  chat.assistant_threads,
    p_message chat.messages,
    p_is_open boolean,
    p_item    jsonb
) returns jsonb
language plpgsql volatile
as $$
declare
    v_fields  record := chat.item_fields(p_item);
    v_message chat.messages;
begin
    if v_fields.by_user <> (p_message.sender_id = p_thread.user_id)
       or v_fields.is_hidden <> exists (select from chat.exclusions e
                                         where e.conversation_id = p_message.conversation_id
                                           and e.user_id = p_thread.user_id and e.seq = p_message.seq) then
        if v_fields.by_user and not p_is_open then
            return chat.fail('conversation_closed');
        end if;
        perform chat.withdraw_message(p_message, p_thread.user_id);
        perform chat.append_item(p_thread, p_item ->> 'id', p_item);
        return chat.item_result(p_thread, chat.item_message(p_thread.conversation_id, p_item ->> 'id'));
    end if;

    insert into chat.thread_items as i (conversation_id, item_id, message_id, payload)
    values (p_message.conversation_id, p_item ->> 'id', p_message.id, p_item)
        on conflict (conversation_id, item_id) do update
       set payload = excluded.payload
     where i.payload <> excluded.payload;
    if not found then
        return chat.item_result(p_thread, p_message, '{"duplicate": true}');
    end if;
    if p_message.type <> v_fields.type or p_message.content is distinct from v_fields.content then
        update chat.messages m
           set type = v_fields.type, content = v_fields.content,
               edited_at = greatest(clock_timestamp(), coalesce(m.edited_at, m.created_at) + interval '1 microsecond')
         where m.conversation_id = p_message.conversation_id and m.id = p_message.id
        returning m.* into v_message;
        perform chat.append_change(p_message.conversation_id, 'message_edited', p_message.sender_id, p_message.id,
                                   p_message.content);
        return chat.item_result(p_thread, v_message);
    end if;
    return chat.item_result(p_thread, p_message);
end
$$;

comment on function chat.change_item is 'Keep a ChatKit item that is saved again.';
