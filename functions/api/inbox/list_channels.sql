-- api.list_channels: where messages of contacts come in and answers go out.
--
-- Returns  channels, by name: those of the actor's tenant, for its desk.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.list_channels(p_actor_id uuid default null) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_actor record := chat.actor(p_actor_id);
begin
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    if not (select chat.is_agent(u) from chat.users u where u.user_id = v_actor.user_id) then
        return chat.fail('permission_denied', 'only the desk does that');
    end if;
    return chat.ok(jsonb_build_object('channels', coalesce(
        (select jsonb_agg(chat.channel_json(c) order by c.display_name, c.provider, c.address)
           from chat.channels c
          where c.tenant_id = v_actor.tenant_id), '[]')));
end
$$;

comment on function api.list_channels is 'Where messages of contacts come in and answers go out.';
