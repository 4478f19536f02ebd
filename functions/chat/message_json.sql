-- chat.message_json: a message as callers see it.
--
-- Takes    p_message: the row; p_sender_name: the sender's display name now, null for system messages.
-- Cost     keys are named in the order jsonb keeps them (shorter ones first): it has nothing to sort.
create or replace function chat.message_json(p_message chat.messages, p_sender_name text) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'id', p_message.id,
        'seq', p_message.seq,
        'type', p_message.type,
        'source', p_message.source,
        'content', p_message.content,
        'metadata', p_message.metadata,
        'edited_at', p_message.edited_at,
        'reactions', case when p_message.reaction_count = 0 then '[]'
                          else chat.reactions_json(p_message.conversation_id, p_message.id) end,
        'sender_id', p_message.sender_id,
        'created_at', p_message.created_at,
        'deleted_at', p_message.deleted_at,
        'reply_to_id', p_message.reply_to_id,
        'sender_name', p_sender_name,
        'conversation_id', p_message.conversation_id,
        'client_message_id', p_message.client_message_id)
$$;

comment on function chat.message_json is 'A message as callers see it.';
