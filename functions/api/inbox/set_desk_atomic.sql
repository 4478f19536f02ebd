-- api.set_desk_atomic: who reads and answers a tenant's inbox.
--
-- Takes    p_tenant_id: null: the default one; p_agent_ids: people and bots of the tenant; null: all of them.
-- Returns  tenant_id; desk: everyone | agents; agent_ids, null for everyone.
-- Locks    the agents' user rows, shared; the tenant's row.
-- Writes   tenants.desk, desk_agents, an event for listeners, which then know who is to be told what.
-- Retry    naturally.
-- Fails    validation_error, permission_denied, not_found
create or replace function api.set_desk_atomic(
    p_tenant_id uuid,
    p_agent_ids uuid[] default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal   jsonb := chat.service_refusal();
    v_tenant_id uuid := coalesce(p_tenant_id, '00000000-0000-0000-0000-000000000000');
    v_agent_ids uuid[] := array(select distinct a.user_id from unnest(p_agent_ids) a (user_id) order by a.user_id);
    v_event     jsonb;
    v_position  bigint;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_refusal := chat.lock_users(v_tenant_id, v_agent_ids, 'agent_ids');
    if v_refusal is not null then
        return v_refusal;
    end if;
    perform from chat.users u where u.user_id = any (v_agent_ids) and u.kind not in ('person', 'bot');
    if found then
        return chat.invalid('agent_ids', 'must be people or bots');
    end if;
    perform from chat.tenants t where t.tenant_id = v_tenant_id for no key update;
    if not found then
        return chat.fail('not_found', 'there is no such tenant');
    end if;

    update chat.tenants t
       set desk = case when p_agent_ids is null then 'everyone' else 'agents' end
     where t.tenant_id = v_tenant_id;
    delete from chat.desk_agents d where d.tenant_id = v_tenant_id and d.user_id <> all (v_agent_ids);
    insert into chat.desk_agents (tenant_id, user_id)
    select v_tenant_id, a.user_id from unnest(v_agent_ids) a (user_id)
        on conflict do nothing;

    v_event := jsonb_build_object(
        'tenant_id', v_tenant_id,
        'desk', case when p_agent_ids is null then 'everyone' else 'agents' end,
        'agent_ids', case when p_agent_ids is not null then to_jsonb(v_agent_ids) end);
    v_position := chat.publish(null, (v_event || '{"type": "desk_changed"}')::text, null, v_tenant_id);
    return chat.ok(v_event);
end
$$;

comment on function api.set_desk_atomic is 'Who reads and answers a tenant''s inbox.';
