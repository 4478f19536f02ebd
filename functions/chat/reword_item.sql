-- chat.reword_item: lets the ChatKit item that a message stands for say what the message says now. The caller holds the
-- conversation.
--
-- Writes   thread_items; nothing for a message that was never saved as an item.
create or replace function chat.reword_item(p_conversation_id uuid, p_message_id uuid, p_content text) returns void
language sql volatile
as $$
    update chat.thread_items i
       set payload = i.payload || jsonb_build_object('content', jsonb_build_array(
               case i.payload ->> 'type'
                   when 'user_message' then jsonb_build_object('type', 'input_text', 'text', p_content)
                   else jsonb_build_object('type', 'output_text', 'text', p_content, 'annotations', '[]'::jsonb) end))
     where i.conversation_id = p_conversation_id and i.message_id = p_message_id
       and i.payload ->> 'type' in ('user_message', 'assistant_message')
$$;

comment on function chat.reword_item is 'Let a ChatKit item say what its message says now.';
