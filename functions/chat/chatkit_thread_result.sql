-- chat.chatkit_thread_result: the success result that tells of one ChatKit thread: thread_id (ChatKit's),
-- conversation_id and data, its ThreadMetadata.
--
-- Takes    p_more: what else there is to say; p_status: 200, or 201 for a creation.
create or replace function chat.chatkit_thread_result(
    p_conversation_id uuid,
    p_more            jsonb default '{}',
    p_status          integer default 200
) returns jsonb
language sql volatile
as $$
    select chat.ok(jsonb_build_object('thread_id', j.data -> 'id', 'conversation_id', c.conversation_id, 'data', j.data)
                   || p_more,
                   p_status)
      from chat.conversations c
      join chat.assistant_threads t on t.conversation_id = c.conversation_id
     cross join lateral (select chat.chatkit_thread_json(c, t) as data) j
     where c.conversation_id = p_conversation_id
$$;

comment on function chat.chatkit_thread_result is 'The success result that tells of one ChatKit thread.';
