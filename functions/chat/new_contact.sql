-- chat.new_contact: a contact nobody knew, with their identities and their thread.
--
-- Takes    p_display_name: null: their best identity; p_identities: an object, kind to value; p_at: since when they
--          are known by these.
-- Returns  the thread.
-- Locks    none: the caller has locked the names of the identities.
create or replace function chat.new_contact(
    p_tenant_id    uuid,
    p_channel_id   uuid,
    p_display_name text,
    p_identities   jsonb,
    p_at           timestamptz
) returns chat.threads
language plpgsql volatile
as $$
declare
    v_contact_id uuid := chat.new_id();
begin
    insert into chat.users (user_id, tenant_id, kind, display_name)
    values (v_contact_id, p_tenant_id, 'contact',
            coalesce(p_display_name, p_identities ->> 'phone', p_identities ->> 'wa_id', p_identities ->> 'bsuid',
                     p_identities ->> 'lead', p_identities ->> 'parent_bsuid', 'A contact'));
    perform chat.learn_identities(p_tenant_id, v_contact_id, p_identities, p_at, true);
    return chat.open_thread(p_tenant_id, v_contact_id, p_channel_id);
end
$$;

comment on function chat.new_contact is 'A contact nobody knew, with their identities and their thread.';
