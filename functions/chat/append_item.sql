-- chat.append_item: writes a ChatKit item at the end of a thread's log: the message that stands for it, and beside it
-- the item itself. The caller holds the thread.
--
-- Takes    p_item_id: what it is kept under; p_item: checked by chat.item_refusal.
-- Returns  the message's id; null for what a user says in a closed thread. What the assistant's side did there is kept,
--          as it has happened.
-- Writes   conversations, messages, thread_items, outbox +1, the sender's sent_count; exclusions +1 for a hidden item.
create or replace function chat.append_item(p_thread chat.assistant_threads, p_item_id text, p_item jsonb) returns uuid
language plpgsql volatile
as $$
declare
    v_fields  record := chat.item_fields(p_item);
    v_sender  chat.users;
    v_message jsonb;
begin
    select u.* into strict v_sender
      from chat.members m
      join chat.users u on u.user_id = m.user_id
     where m.conversation_id = p_thread.conversation_id and (m.user_id = p_thread.user_id) = v_fields.by_user;
    v_message := chat.append_message(
        p_thread.conversation_id, v_sender.user_id, v_sender.display_name, v_sender.kind, v_fields.type,
        v_fields.content, '{}',
        p_excluded => case when v_fields.is_hidden then array[p_thread.user_id] end,
        p_even_closed => not v_fields.by_user);
    if v_message is null then
        return null;
    end if;
    insert into chat.thread_items (conversation_id, item_id, message_id, payload)
    values (p_thread.conversation_id, p_item_id, (v_message ->> 'id')::uuid,
            p_item || jsonb_build_object('id', p_item_id));
    return (v_message ->> 'id')::uuid;
end
$$;

comment on function chat.append_item is 'Write a ChatKit item at the end of a thread''s log.';
