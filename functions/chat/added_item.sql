-- chat.added_item: adds an item to a thread that the caller holds, unless it is there.
--
-- Takes    p_thread; p_item: checked by chat.item_refusal.
-- Returns  the success result; or a refusal, and then nothing was written.
-- Why      The id an item gets when its own is taken follows from what it says: adding it again finds it.
-- Fails    conversation_closed
create or replace function chat.added_item(p_thread chat.assistant_threads, p_item jsonb) returns jsonb
language plpgsql volatile
as $$
declare
    v_fields  record := chat.item_fields(p_item);
    v_item_id text := p_item ->> 'id';
    v_message chat.messages := chat.item_message(p_thread.conversation_id, v_item_id);
    v_payload jsonb;
begin
    select i.payload into v_payload
      from chat.thread_items i
     where i.conversation_id = p_thread.conversation_id and i.item_id = v_item_id;
    if v_message.id is not null
       and not coalesce(v_payload = p_item,
                        v_message.type = v_fields.type and v_message.content is not distinct from v_fields.content
                        and (v_message.sender_id = p_thread.user_id) = v_fields.by_user) then
        v_item_id := left(v_item_id, 100) || '_' || left(encode(chat.digest(p_item), 'hex'), 32);
        v_message := chat.item_message(p_thread.conversation_id, v_item_id);
    end if;
    if v_message.id is not null then
        return chat.item_result(p_thread, v_message, '{"duplicate": true}');
    end if;

    if chat.append_item(p_thread, v_item_id, p_item) is null then
        return chat.fail('conversation_closed');
    end if;
    return chat.item_result(p_thread, chat.item_message(p_thread.conversation_id, v_item_id), '{}', 201);
end
$$;

comment on function chat.added_item is 'Add an item to a thread, unless it is there.';
