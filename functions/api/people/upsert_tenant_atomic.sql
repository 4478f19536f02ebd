-- api.upsert_tenant_atomic: make a tenant or rename it. upsert_user_atomic makes tenants as it meets them.
--
-- Takes    p_tenant_id, p_name.
-- Returns  tenant_id, name, created.
-- Fails    validation_error, permission_denied, too_large
create or replace function api.upsert_tenant_atomic(
    p_tenant_id uuid,
    p_name      text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := chat.service_refusal();
    v_tenant  chat.tenants;
    v_created boolean;
begin
    v_refusal := coalesce(
        v_refusal,
        case when p_tenant_id is null then chat.invalid('tenant_id', 'is missing') end,
        chat.text_refusal('name', p_name, (select l.name_characters from chat.limits l)));
    if v_refusal is not null then
        return v_refusal;
    end if;

    insert into chat.tenants as t (tenant_id, name)
    values (p_tenant_id, coalesce(p_name, p_tenant_id::text))
        on conflict (tenant_id) do nothing
    returning t.* into v_tenant;
    v_created := found;
    if not v_created then
        update chat.tenants t
           set name = coalesce(p_name, t.name)
         where t.tenant_id = p_tenant_id
        returning t.* into v_tenant;
    end if;
    return chat.ok(jsonb_build_object('tenant_id', v_tenant.tenant_id, 'name', v_tenant.name, 'created', v_created),
                   case when v_created then 201 else 200 end);
end
$$;

comment on function api.upsert_tenant_atomic is 'Make a tenant or rename it.';
