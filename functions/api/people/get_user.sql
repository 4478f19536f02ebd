-- api.get_user: one user of the actor's tenant; by default the actor.
--
-- Returns  user; one's own with blocked_user_ids and e-mail address, others' without.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.get_user(
    p_actor_id uuid default null,
    p_user_id  uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_actor record := chat.actor(p_actor_id);
    v_user  chat.users;
begin
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    select u.* into v_user
      from chat.users u
     where u.user_id = coalesce(p_user_id, v_actor.user_id) and u.tenant_id = v_actor.tenant_id;
    if not found then
        return chat.fail('not_found', 'there is no such user');
    end if;
    if v_user.user_id <> v_actor.user_id then
        return chat.ok(jsonb_build_object('user', chat.user_json(v_user) - 'email'));
    end if;
    return chat.ok(jsonb_build_object('user', chat.user_json(v_user) || jsonb_build_object(
        'blocked_user_ids', (select coalesce(jsonb_agg(b.blocked_id order by b.blocked_id), '[]')
                               from chat.blocks b
                              where b.blocker_id = v_actor.user_id))));
end
$$;

comment on function api.get_user is 'One user of the actor''s tenant; by default the actor, with whom they block.';
