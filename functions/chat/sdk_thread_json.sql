-- chat.sdk_thread_json: an assistant thread as OpenAI's SDK reads one: a chatkit.thread.
create or replace function chat.sdk_thread_json(p_conversation chat.conversations, p_thread chat.assistant_threads)
returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'id', p_conversation.conversation_id,
        'object', 'chatkit.thread',
        'title', p_conversation.title,
        'created_at', chat.unix_time(p_conversation.created_at),
        'status', case when p_conversation.closed_at is null then '{"type": "active"}'::jsonb
                       else '{"type": "closed", "reason": null}' end,
        'user', (select coalesce(u.external_id, u.user_id::text) from chat.users u where u.user_id = p_thread.user_id))
$$;

comment on function chat.sdk_thread_json is 'An assistant thread as OpenAI''s SDK reads one.';
