-- chat.join_desk: an agent's member row in an inbox conversation, written at their first message and told to nobody:
-- the desk is there from the beginning.
--
-- Locks    the caller holds the conversation row.
-- Writes   members +1, conversations.member_count, once.
create or replace function chat.join_desk(p_conversation_id uuid, p_tenant_id uuid, p_user_id uuid) returns void
language plpgsql volatile
as $$
begin
    insert into chat.members (conversation_id, user_id, tenant_id, role, joined_seq, delivered_seq, read_seq)
    values (p_conversation_id, p_user_id, p_tenant_id, 'agent', 0, 0, 0)
        on conflict (conversation_id, user_id) do nothing;
    if found then
        update chat.conversations c
           set member_count = c.member_count + 1
         where c.conversation_id = p_conversation_id;
    end if;
end
$$;

comment on function chat.join_desk is 'An agent''s member row in an inbox conversation, written silently.';
