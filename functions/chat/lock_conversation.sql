-- chat.lock_conversation: the second half: locks the conversation row and returns it as it is now.
-- While it is held nobody joins, leaves, sends or changes anything in this conversation.
create or replace function chat.lock_conversation(p_conversation_id uuid) returns chat.conversations
language sql volatile
as $$
    select c from chat.conversations c where c.conversation_id = p_conversation_id for no key update
$$;

comment on function chat.lock_conversation is 'Lock a conversation row and return it.';
