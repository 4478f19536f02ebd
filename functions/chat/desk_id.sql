-- chat.desk_id: whose desk is told what happens in a conversation: the tenant's of an inbox; null in any other.
create or replace function chat.desk_id(p_conversation_id uuid) returns uuid
language sql stable
as $$
    select c.tenant_id from chat.conversations c where c.conversation_id = p_conversation_id and c.kind = 'inbox'
$$;

comment on function chat.desk_id is 'The tenant whose desk is told of a conversation.';
