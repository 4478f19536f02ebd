-- chat.thread_result: the success result that tells of one thread: conversation_id and thread.
--
-- Takes    p_conversation_id; p_more: what else there is to say; p_status: 200, or 201 for a creation.
create or replace function chat.thread_result(
    p_conversation_id uuid,
    p_more            jsonb default '{}',
    p_status          integer default 200
) returns jsonb
language sql volatile
as $$
    select chat.ok(jsonb_build_object('conversation_id', c.conversation_id, 'thread', j.thread) || p_more, p_status)
      from chat.conversations c
      join chat.threads t on t.conversation_id = c.conversation_id
     cross join lateral chat.thread_json(c, t) j (thread)
     where c.conversation_id = p_conversation_id
$$;

comment on function chat.thread_result is 'The success result that tells of one thread.';
