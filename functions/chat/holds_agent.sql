-- chat.holds_agent: for a batch of messages: whether one of them is for an inbox conversation. Its sender's user row is
-- then held against deactivation.
--
-- Takes    p_conversation_id, p_user_id.
-- Locks    the user's row, without waiting: the batch holds member rows already, which come after it.
-- Raises   serialization_failure when the row cannot be had at once: the batch is to be sent again.
create or replace function chat.holds_agent(p_conversation_id uuid, p_user_id uuid) returns boolean
language plpgsql volatile
as $$
begin
    perform from chat.conversations c
      where c.conversation_id = chat.resolved_conversation(p_conversation_id) and c.kind = 'inbox';
    if not found then
        return false;
    end if;
    perform from chat.users u where u.user_id = p_user_id for share skip locked;
    if not found and exists (select from chat.users u where u.user_id = p_user_id) then
        raise exception 'a sender of this batch is being changed' using errcode = 'serialization_failure';
    end if;
    return true;
end
$$;

comment on function chat.holds_agent is 'Whether someone writes to an inbox conversation; holds their row.';
