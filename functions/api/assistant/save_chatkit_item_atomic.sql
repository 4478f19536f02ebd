-- api.save_chatkit_item_atomic: ChatKit's Store.save_item: keep an item as it is now, or add it.
--
-- Takes    p_thread_id: ChatKit's, any text; p_actor_id: whose; p_item: a ThreadItem.
-- Returns  thread_id, conversation_id, item_id, message_id, message, data (the item as it is kept).
-- Rule     Who says a message, and who sees it, stays as it is: where an item says something else its message is
--          deleted, and another one at the end of the log stands for it.
-- Locks    both members' rows, then the conversation row.
-- Writes   thread_items; where what it says is new the message and a change; for a new item as
--          api.add_chatkit_item_atomic.
-- Retry    the same again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, conversation_closed, too_large
create or replace function api.save_chatkit_item_atomic(
    p_thread_id text,
    p_actor_id  uuid default null,
    p_item      jsonb default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := coalesce(chat.service_refusal(), chat.item_refusal(p_item));
    v_found   record;
    v_message chat.messages;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_found := chat.chatkit_thread(p_thread_id, p_actor_id, true);
    if v_found.refusal is not null then
        return v_found.refusal;
    end if;
    if (v_found.thread).conversation_id is null then
        return chat.fail('not_found', 'there is no such thread');
    end if;
    v_message := chat.item_message((v_found.thread).conversation_id, p_item ->> 'id');
    if v_message.id is null then
        return chat.added_item(v_found.thread, p_item);
    end if;
    return chat.change_item(v_found.thread, v_message, (v_found.conversation).closed_at is null, p_item);
end
$$;

comment on function api.save_chatkit_item_atomic is 'Keep a ChatKit item as it is now, or add it.';
