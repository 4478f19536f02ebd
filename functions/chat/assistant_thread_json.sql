-- chat.assistant_thread_json: an assistant thread as callers see it.
create or replace function chat.assistant_thread_json(
    p_conversation chat.conversations,
    p_thread       chat.assistant_threads
) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'id', p_conversation.conversation_id,
        'user_id', p_thread.user_id,
        'session_id', p_thread.session_id,
        'title', p_conversation.title,
        'metadata', p_conversation.metadata,
        'created_at', p_conversation.created_at,
        'closed_at', p_conversation.closed_at,
        'last_seq', p_conversation.last_seq)
$$;

comment on function chat.assistant_thread_json is 'An assistant thread as callers see it.';
