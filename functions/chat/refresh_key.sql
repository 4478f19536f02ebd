-- chat.refresh_key: brings the key of a contact's conversation up to date. Whoever changes identities calls it for
-- each contact concerned, first those who lost one: a key is never two conversations' at once.
--
-- Locks    the conversation row, when its key changes.
create or replace function chat.refresh_key(p_tenant_id uuid, p_contact_id uuid) returns void
language plpgsql volatile
as $$
declare
    v_key text := chat.contact_key(p_tenant_id, p_contact_id);
begin
    update chat.conversations c
       set canonical_key = v_key
      from chat.threads t
     where t.contact_id = p_contact_id
       and c.conversation_id = t.conversation_id and c.canonical_key <> v_key;
end
$$;

comment on function chat.refresh_key is 'Bring the canonical key of a contact''s conversation up to date.';
