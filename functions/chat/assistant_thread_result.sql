-- chat.assistant_thread_result: the success result that tells of one assistant thread: thread_id, conversation_id and
-- data, and beside them what OpenAI's SDK reads.
--
-- Takes    p_more: what else there is to say; p_status: 200, or 201 for a creation.
create or replace function chat.assistant_thread_result(
    p_conversation_id uuid,
    p_more            jsonb default '{}',
    p_status          integer default 200
) returns jsonb
language sql volatile
as $$
    select chat.ok(chat.sdk_thread_json(c, t)
                   || jsonb_build_object('thread_id', c.conversation_id, 'conversation_id', c.conversation_id,
                                         'data', chat.assistant_thread_json(c, t))
                   || p_more,
                   p_status)
      from chat.conversations c
      join chat.assistant_threads t on t.conversation_id = c.conversation_id
     where c.conversation_id = p_conversation_id
$$;

comment on function chat.assistant_thread_result is 'The success result that tells of one assistant thread.';
