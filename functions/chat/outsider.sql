-- chat.outsider: why someone who is not an active member of a conversation, nor of its desk, is refused.
--
-- Takes    p_conversation_id; p_tenant_id: the actor's tenant.
-- Returns  the refusal: another tenant's conversation does not exist.
-- Fails    validation_error, not_found, not_a_member
create or replace function chat.outsider(p_conversation_id uuid, p_tenant_id uuid) returns jsonb
language plpgsql volatile
as $$
begin
    if p_conversation_id is null then
        return chat.invalid('conversation_id', 'is missing');
    end if;
    perform from chat.conversations c
      where c.conversation_id = chat.resolved_conversation(p_conversation_id) and c.tenant_id = p_tenant_id;
    if not found then
        return chat.fail('not_found', 'there is no such conversation');
    end if;
    return chat.fail('not_a_member');
end
$$;

comment on function chat.outsider is 'not_found or not_a_member, for someone who is not in a conversation.';
