-- chat.manager_refusal: whether a participant may change the conversation itself: in a group owners and
-- admins, in a conversation of two either.
--
-- Returns  null, or permission_denied.
create or replace function chat.manager_refusal(p_conversation chat.conversations, p_role text) returns jsonb
language plpgsql volatile
as $$
begin
    if p_conversation.kind = 'group' and p_role not in ('owner', 'admin') then
        return chat.fail('permission_denied', 'only owners and admins of the group may do that');
    end if;
    return null;
end
$$;

comment on function chat.manager_refusal is 'Null, or why a participant may not change the conversation.';
