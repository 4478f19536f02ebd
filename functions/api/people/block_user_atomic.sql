-- api.block_user_atomic: stop hearing from someone. Direct and help conversations of the two come to rest;
-- in groups the blocker no longer gets what the blocked sends from now on.
--
-- Takes    p_user_id: whom.
-- Returns  user_id.
-- Locks    both user rows, then their member rows in conversations of the two: what is in flight there comes
--          before the block, or is refused.
-- Retry    again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.block_user_atomic(
    p_actor_id uuid default null,
    p_user_id  uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_actor record;
begin
    if p_user_id is null then
        return chat.invalid('user_id', 'is missing');
    end if;
    perform chat.lock_pair(coalesce(p_actor_id, chat.subject()), p_user_id);
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    if p_user_id = v_actor.user_id then
        return chat.invalid('user_id', 'is oneself');
    end if;

    perform from chat.users u where u.user_id = p_user_id and u.tenant_id = v_actor.tenant_id;
    if not found then
        return chat.fail('not_found', 'there is no such user');
    end if;

    insert into chat.blocks (blocker_id, blocked_id)
    values (v_actor.user_id, p_user_id)
        on conflict (blocker_id, blocked_id) do nothing;
    return chat.ok(jsonb_build_object('user_id', p_user_id)
                   || case when found then '{}' else '{"duplicate": true}'::jsonb end);
end
$$;

comment on function api.block_user_atomic is 'Stop hearing from someone.';
