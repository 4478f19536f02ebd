-- chat.identified_contacts: the contacts to whom identities lead now, by id, locked.
--
-- Takes    p_tenant_id; p_identities: an object, kind to value, whose names the caller has locked; p_contact_id: one
--          who is locked along with them, if any; where they were merged, what they were merged into.
-- Returns  their ids: of the identities that are not retired, and of p_contact_id.
-- Locks    the contacts' user rows, by id. A merge locks these and no names: so it is looked again once they are held.
create or replace function chat.identified_contacts(
    p_tenant_id  uuid,
    p_identities jsonb,
    p_contact_id uuid default null
) returns uuid[]
language plpgsql volatile
as $$
declare
    v_ids    uuid[];
    v_locked uuid[];
begin
    loop
        v_ids := array(
            select i.contact_id
              from jsonb_each_text(p_identities) g (kind, value)
              join chat.contact_identities i on i.tenant_id = p_tenant_id and i.kind = g.kind and i.value = g.value
             where i.retired_at is null
             union
            select u.user_id
              from chat.users u
             where u.user_id = chat.resolved_contact(p_contact_id) and u.tenant_id = p_tenant_id and u.kind = 'contact'
             order by 1);
        exit when v_ids = v_locked;
        perform from chat.users u where u.user_id = any (v_ids) order by u.user_id for no key update;
        v_locked := v_ids;
    end loop;
    return v_ids;
end
$$;

comment on function chat.identified_contacts is 'The contacts to whom identities lead, locked.';
