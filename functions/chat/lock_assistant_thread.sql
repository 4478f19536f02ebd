-- chat.lock_assistant_thread: locks an assistant thread: both members, as either may write, then the conversation.
-- What is locked is none of another kind: nothing is.
create or replace function chat.lock_assistant_thread(p_conversation_id uuid) returns void
language plpgsql volatile
as $$
begin
    perform from chat.members m
      join chat.assistant_threads t on t.conversation_id = m.conversation_id
      where m.conversation_id = p_conversation_id
      order by m.user_id
        for no key update of m;
    perform from chat.conversations c
      where c.conversation_id = p_conversation_id and c.kind = 'assistant'
        for no key update;
end
$$;

comment on function chat.lock_assistant_thread is 'Lock an assistant thread''s members and its conversation.';
