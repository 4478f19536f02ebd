-- chat.open_thread: the one thread of a contact, made when there is none.
--
-- Takes    p_channel_id: where answers go out until the contact writes somewhere else.
-- Returns  the thread.
-- Locks    the names of the contact's identities are locked by the caller, or the contact is new.
-- Writes   conversations, members (the contact), threads +1 each, outbox +1.
-- Why      The id derives from the contact and not from the key: a key changes when a lead is linked or a number
--          changes, an id may not.
create or replace function chat.open_thread(p_tenant_id uuid, p_contact_id uuid, p_channel_id uuid)
returns chat.threads
language plpgsql volatile
as $$
declare
    v_thread       chat.threads;
    v_conversation chat.conversations;
    v_position     bigint;
begin
    select t.* into v_thread from chat.threads t where t.contact_id = p_contact_id;
    if found then
        return v_thread;
    end if;

    insert into chat.conversations as c (conversation_id, tenant_id, kind, canonical_key, created_by, member_count)
    values (chat.derived_id(p_tenant_id, 'contact:' || p_contact_id), p_tenant_id, 'inbox',
            chat.contact_key(p_tenant_id, p_contact_id), p_contact_id, 1)
    returning c.* into v_conversation;
    insert into chat.members (conversation_id, user_id, tenant_id, role, joined_seq, delivered_seq, read_seq)
    values (v_conversation.conversation_id, p_contact_id, p_tenant_id, 'contact', 0, 0, 0);
    insert into chat.threads as t (conversation_id, tenant_id, contact_id, channel_id)
    values (v_conversation.conversation_id, p_tenant_id, p_contact_id, p_channel_id)
    returning t.* into v_thread;
    v_position := chat.publish(
        p_conversation_id => v_conversation.conversation_id,
        p_event => jsonb_build_object(
            'type', 'conversation_created', 'conversation_id', v_conversation.conversation_id, 'seq', 0,
            'conversation', chat.conversation_json(v_conversation),
            'user_ids', jsonb_build_array(p_contact_id))::text,
        p_desk_id => p_tenant_id);
    return v_thread;
end
$$;

comment on function chat.open_thread is 'The one thread of a contact, made when there is none.';
