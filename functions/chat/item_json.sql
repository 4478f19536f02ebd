-- chat.item_json: a message of an assistant thread as ChatKit's item.
--
-- Takes    p_payload: the item it was saved as; null: it was written another way, and its fields make one.
-- Returns  the item; null for a message that ChatKit has no item for.
create or replace function chat.item_json(
    p_message chat.messages,
    p_payload jsonb,
    p_thread  chat.assistant_threads
) returns jsonb
language sql stable
as $$
    select case
        when p_message.deleted_at is not null then null
        when p_payload is not null then p_payload
        when p_message.type = 'text' then
            jsonb_build_object(
                'id', p_message.id,
                'thread_id', coalesce(p_thread.payload ->> 'id', p_thread.conversation_id::text),
                'created_at', p_message.created_at)
            || case when p_message.sender_id = p_thread.user_id then
                   jsonb_build_object(
                       'type', 'user_message',
                       'content', jsonb_build_array(
                           jsonb_build_object('type', 'input_text', 'text', p_message.content)),
                       'attachments', '[]'::jsonb,
                       'quoted_text', null,
                       'inference_options', '{}'::jsonb)
               else
                   jsonb_build_object(
                       'type', 'assistant_message',
                       'content', jsonb_build_array(
                           jsonb_build_object('type', 'output_text', 'text', p_message.content,
                                              'annotations', '[]'::jsonb)))
               end
        end
$$;

comment on function chat.item_json is 'A message of an assistant thread as ChatKit''s item.';
