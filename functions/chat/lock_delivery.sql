-- chat.lock_delivery: locks a delivery, wherever merges have taken its message.
--
-- Takes    p_conversation_id: where the message was once; p_message_id.
-- Returns  the row as it is now; all null when there is none.
-- Locks    the conversation row, then the delivery.
create or replace function chat.lock_delivery(p_conversation_id uuid, p_message_id uuid) returns chat.deliveries
language plpgsql volatile
as $$
declare
    v_conversation chat.conversations := chat.lock_inbox(p_conversation_id);
    v_delivery     chat.deliveries;
begin
    select d.* into v_delivery
      from chat.deliveries d
     where d.conversation_id = v_conversation.conversation_id and d.message_id = p_message_id
       for no key update;
    return v_delivery;
end
$$;

comment on function chat.lock_delivery is 'Lock a delivery and return it.';
