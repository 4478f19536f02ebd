-- chat.recognised_contact: the contact to whom identities lead, when they are not all known or lead to several.
--
-- Takes    as chat.resolve_contact.
-- Returns  the contact, who is known by all of them from now on; null: none of them leads to anybody.
-- Locks    as chat.resolve_contact.
-- Writes   contact_identities, canonical keys; a merge where two contacts turn out to be one.
create or replace function chat.recognised_contact(p_tenant_id uuid, p_contact jsonb, p_at timestamptz) returns uuid
language plpgsql volatile
as $$
declare
    v_found      uuid[] := array(
        select i.contact_id
          from jsonb_each_text(p_contact) g (kind, value)
         cross join lateral (select x.contact_id from chat.contact_identities x
                              where x.tenant_id = p_tenant_id and x.kind = g.kind and x.value = g.value
                                and (x.retired_at is null or x.retired_at >= p_at)
                              limit 1) i
         group by i.contact_id
         order by min(array_position('{bsuid,wa_id,phone,parent_bsuid}', g.kind)));
    v_contact_id uuid := v_found[1];
    v_other_id   uuid;
begin
    if v_contact_id is null then
        return null;
    end if;
    foreach v_other_id in array v_found[2:]
    loop
        if chat.is_same_contact(p_tenant_id, v_contact_id, v_other_id, p_contact, p_at) then
            v_contact_id := chat.merged_contact(v_contact_id, v_other_id);
        end if;
    end loop;
    perform chat.learn_identities(p_tenant_id, v_contact_id, p_contact, p_at, true);
    return v_contact_id;
end
$$;

comment on function chat.recognised_contact is
    'The contact to whom identities lead, who is known by all of them from now on.';
