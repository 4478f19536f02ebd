-- chat.unified_contact: the contact of a conversation in which somebody else seems to act. Only who is in a
-- conversation answers or changes what was said there: the two are one.
--
-- Takes    p_contact_id: who acts, by the event's identities; p_conversation_id: of the message it is about.
-- Returns  the contact, merged where they were two; of two leads, who are two by our own word, the conversation's.
create or replace function chat.unified_contact(p_contact_id uuid, p_conversation_id uuid) returns uuid
language plpgsql volatile
as $$
declare
    v_thread chat.threads;
begin
    select t.* into strict v_thread from chat.threads t where t.conversation_id = p_conversation_id;
    if v_thread.contact_id = p_contact_id
       or 2 = (select count(distinct i.contact_id)
                 from chat.contact_identities i
                where i.tenant_id = v_thread.tenant_id and i.contact_id in (p_contact_id, v_thread.contact_id)
                  and i.kind = 'lead') then
        return v_thread.contact_id;
    end if;
    return chat.merged_contact(v_thread.contact_id, p_contact_id);
end
$$;

comment on function chat.unified_contact is 'The contact of a conversation in which somebody else seems to act.';
