-- chat.contact_key: what an inbox conversation is about, in one line, unique in its tenant.
--
-- Returns  lead:{tenant}:{value} of the lead learned first; else phone:{tenant}:{number} of the phone learned last
--          that is still the contact's; else bsuid:..., else wa_id:...; else contact:{tenant}:{contact}.
create or replace function chat.contact_key(p_tenant_id uuid, p_contact_id uuid) returns text
language sql stable
as $$
    select coalesce(
        (select format('%s:%s:%s', i.kind, p_tenant_id, i.value)
           from chat.contact_identities i
          where i.contact_id = p_contact_id and i.kind <> 'parent_bsuid'
            and (i.retired_at is null or i.kind = 'lead')
          order by array_position('{lead,phone,bsuid,wa_id}', i.kind),
                   case when i.kind = 'lead' then i.learned_at end,
                   i.learned_at desc, i.value
          limit 1),
        format('contact:%s:%s', p_tenant_id, p_contact_id))
$$;

comment on function chat.contact_key is 'The canonical key of a contact''s conversation.';
