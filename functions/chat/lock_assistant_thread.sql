-- chat.lock_assistant_thread: locks an assistant thread: both members, as either may write, then the conversation.
--
-- Returns  whether there is such a thread. One that is deleted and begun again while we wait is not: its members were
--          not there to be locked, and locking them after the conversation would be out of order.
create or replace function chat.lock_assistant_thread(p_conversation_id uuid) returns boolean
language plpgsql volatile
as $$
begin
    perform from chat.members m
      join chat.assistant_threads t on t.conversation_id = m.conversation_id
      where m.conversation_id = p_conversation_id
      order by m.user_id
        for no key update of m;
    if not found then
        return false;
    end if;
    perform from chat.conversations c where c.conversation_id = p_conversation_id for no key update;
    return true;
end
$$;

comment on function chat.lock_assistant_thread is 'Lock an assistant thread''s members and its conversation.';
