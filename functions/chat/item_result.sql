-- chat.item_result: the success result that tells of one ChatKit item: thread_id (ChatKit's), conversation_id, item_id,
-- message_id, message, and data, the item.
--
-- Takes    p_more: what else there is to say; p_status: 200, or 201 for a creation.
create or replace function chat.item_result(
    p_thread  chat.assistant_threads,
    p_message chat.messages,
    p_more    jsonb default '{}',
    p_status  integer default 200
) returns jsonb
language sql volatile
as $$
    select chat.ok(
        jsonb_build_object(
            'thread_id', coalesce(p_thread.payload ->> 'id', p_thread.conversation_id::text),
            'conversation_id', p_thread.conversation_id,
            'item_id', coalesce(i.item_id, p_message.id::text),
            'message_id', p_message.id,
            'message', chat.message_json(p_message, u.display_name),
            'data', chat.item_json(p_message, i.payload, p_thread))
        || p_more,
        p_status)
      from chat.users u
      left join chat.thread_items i
             on i.conversation_id = p_message.conversation_id and i.message_id = p_message.id
     where u.user_id = p_message.sender_id
$$;

comment on function chat.item_result is 'The success result that tells of one ChatKit item.';
