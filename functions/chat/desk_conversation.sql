-- chat.desk_conversation: an inbox conversation as it is found by someone of its tenant's desk: by its id, or by
-- that of one that was merged into it.
--
-- Takes    p_conversation_id, p_user_id.
-- Returns  the row; all null when there is no such inbox conversation, or the user is not of its desk.
-- Locks    nothing.
create or replace function chat.desk_conversation(p_conversation_id uuid, p_user_id uuid) returns chat.conversations
language sql stable
as $$
    select c
      from chat.conversations c
      join chat.users u on u.tenant_id = c.tenant_id and u.user_id = p_user_id
     where c.conversation_id = chat.resolved_conversation(p_conversation_id) and c.kind = 'inbox'
       and chat.is_agent(u)
$$;

comment on function chat.desk_conversation is 'An inbox conversation, if it is the user''s desk that answers it.';
