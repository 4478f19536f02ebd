-- chat.named_person: the user with an external id, made when the tenant has none: whom a service speaks of before it
-- has told us about them. Named after the external id until upsert_user_atomic says more.
--
-- Returns  the user's id.
-- Locks    the external id, as api.upsert_user_atomic does.
-- Writes   users +1; tenants +1 for the first of all.
create or replace function chat.named_person(p_tenant_id uuid, p_external_id text) returns uuid
language plpgsql volatile
as $$
declare
    v_user_id uuid;
begin
    perform pg_advisory_xact_lock(hashtextextended('external:' || p_external_id, 0));
    select u.user_id into v_user_id
      from chat.users u
     where u.tenant_id = p_tenant_id and u.external_id = p_external_id;
    if found then
        return v_user_id;
    end if;
    insert into chat.tenants (tenant_id, name) values (p_tenant_id, p_tenant_id::text)
        on conflict (tenant_id) do nothing;
    insert into chat.users as u (user_id, tenant_id, kind, display_name, external_id)
    values (chat.new_id(), p_tenant_id, 'person', p_external_id, p_external_id)
    returning u.user_id into v_user_id;
    return v_user_id;
end
$$;

comment on function chat.named_person is 'The user with an external id, made when there is none.';
