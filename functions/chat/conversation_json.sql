-- chat.conversation_json: a conversation as callers see it, without what depends on who looks.
create or replace function chat.conversation_json(p_conversation chat.conversations) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'conversation_id', p_conversation.conversation_id,
        'kind', p_conversation.kind,
        'title', p_conversation.title,
        'canonical_key', p_conversation.canonical_key,
        'metadata', p_conversation.metadata,
        'created_by', p_conversation.created_by,
        'created_at', p_conversation.created_at,
        'closed_at', p_conversation.closed_at,
        'history', p_conversation.history,
        'last_seq', p_conversation.last_seq,
        'last_message_at', p_conversation.last_message_at,
        'member_count', p_conversation.member_count)
$$;

comment on function chat.conversation_json is 'A conversation as everyone in it sees it.';
