-- api.load_chatkit_item: ChatKit's Store.load_item.
--
-- Takes    p_thread_id: ChatKit's, any text; p_actor_id: whose; p_item_id: ChatKit's, or a message's.
-- Returns  thread_id, conversation_id, item_id, message_id, message, data: the item as it was saved, or as the message
--          makes it.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, too_large
create or replace function api.load_chatkit_item(
    p_thread_id text,
    p_actor_id  uuid default null,
    p_item_id   text default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_found   record := chat.chatkit_thread(p_thread_id, p_actor_id);
    v_message chat.messages;
begin
    if v_found.refusal is not null then
        return v_found.refusal;
    end if;
    v_message := chat.item_message((v_found.thread).conversation_id, p_item_id);
    if v_message.id is null then
        return chat.fail('not_found', 'there is no such item');
    end if;
    return chat.item_result(v_found.thread, v_message);
end
$$;

comment on function api.load_chatkit_item is 'A ChatKit item.';
