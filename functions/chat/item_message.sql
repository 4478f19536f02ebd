-- chat.item_message: the message that stands for a ChatKit item. A message that was never saved as one goes by its own
-- id.
--
-- Returns  the row; all null when there is no such item, or it was deleted.
create or replace function chat.item_message(p_conversation_id uuid, p_item_id text) returns chat.messages
language sql stable
as $$
    select m
      from chat.messages m
      left join chat.thread_items i on i.conversation_id = m.conversation_id and i.message_id = m.id
     where m.conversation_id = p_conversation_id and m.deleted_at is null
       and m.id = coalesce((select x.message_id from chat.thread_items x
                             where x.conversation_id = p_conversation_id and x.item_id = p_item_id),
                           case when chat.is_uuid(p_item_id) then p_item_id::uuid end)
       and case when i.item_id is null then m.type = 'text' else i.item_id = p_item_id end
$$;

comment on function chat.item_message is 'The message that stands for a ChatKit item.';
