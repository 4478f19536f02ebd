-- api.add_chatkit_item_atomic: ChatKit's Store.add_thread_item: keep an item, word for word, at the end of a thread's
-- log.
--
-- Takes    p_thread_id: ChatKit's, any text; p_actor_id: whose; p_item: a ThreadItem.
-- Returns  thread_id, conversation_id, item_id, message_id, message, data (the item as it is kept).
-- Rules    A message of the log stands for each item; nobody but the Store sees hidden ones. An item whose id is taken
--          by another (some models give every answer the same id) is kept under an id of its own, which item_id tells.
--          A user says nothing in a closed thread; the rest has happened and is kept.
-- Locks    both members' rows, then the conversation row.
-- Writes   messages, thread_items, outbox +1, conversations; exclusions +1 for a hidden item.
-- Retry    the same item, also one that is a message of the log already and says the same: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, conversation_closed, too_large
create or replace function api.add_chatkit_item_atomic(
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
    return chat.added_item(v_found.thread, p_item);
end
$$;

comment on function api.add_chatkit_item_atomic is 'Keep a ChatKit item at the end of a thread''s log.';
