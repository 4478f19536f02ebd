-- chat.agent: who acts at the desk: chat.actor, but only agents.
--
-- Takes    p_actor_id.
-- Returns  the acting agent's user_id, tenant_id, display_name and kind, or a refusal.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function chat.agent(
    p_actor_id       uuid,
    out user_id      uuid,
    out tenant_id    uuid,
    out display_name text,
    out kind         text,
    out refusal      jsonb
)
language plpgsql volatile
as $$
declare
    v_actor record := chat.actor(p_actor_id);
begin
    user_id := v_actor.user_id;
    tenant_id := v_actor.tenant_id;
    display_name := v_actor.display_name;
    kind := v_actor.kind;
    refusal := v_actor.refusal;
    if refusal is not null then
        return;
    end if;
    perform from chat.users u where u.user_id = v_actor.user_id and chat.is_agent(u);
    if not found then
        refusal := chat.fail('permission_denied', 'only the desk may do that');
    end if;
end
$$;

comment on function chat.agent is 'The acting agent of the desk, or a refusal.';
