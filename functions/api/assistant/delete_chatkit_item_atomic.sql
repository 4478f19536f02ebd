-- api.delete_chatkit_item_atomic: ChatKit's Store.delete_thread_item: the message that stands for it is deleted like
-- any, the item is gone.
--
-- Takes    p_thread_id: ChatKit's, any text; p_actor_id: whose; p_item_id: ChatKit's, or a message's.
-- Returns  conversation_id, item_id, message_id: null when there was none.
-- Locks    both members' rows, then the conversation row.
-- Writes   the message, changes +1 with what it said, thread_items, outbox +1, conversations.last_seq.
-- Retry    again, or of an item that is not there, changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, too_large
create or replace function api.delete_chatkit_item_atomic(
    p_thread_id text,
    p_actor_id  uuid default null,
    p_item_id   text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_found   record := chat.chatkit_thread(p_thread_id, p_actor_id, true);
    v_message chat.messages;
    v_result  jsonb;
begin
    if v_found.refusal is not null then
        return v_found.refusal;
    end if;
    if (v_found.thread).conversation_id is null then
        return chat.fail('not_found', 'there is no such thread');
    end if;
    v_message := chat.item_message((v_found.thread).conversation_id, p_item_id);
    v_result := jsonb_build_object('conversation_id', (v_found.thread).conversation_id, 'item_id', p_item_id,
                                   'message_id', v_message.id);
    if v_message.id is null then
        return chat.ok(v_result || '{"duplicate": true}');
    end if;
    perform chat.withdraw_message(v_message, v_found.user_id);
    return chat.ok(v_result);
end
$$;

comment on function api.delete_chatkit_item_atomic is 'Delete a ChatKit item, and the message that stands for it.';
