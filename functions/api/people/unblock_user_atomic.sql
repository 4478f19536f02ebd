-- api.unblock_user_atomic: hear from someone again. What was hidden meanwhile stays hidden.
--
-- Takes    p_user_id: whom.
-- Returns  user_id.
-- Writes   blocks -1.
-- Retry    again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.unblock_user_atomic(
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
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;

    delete from chat.blocks b where b.blocker_id = v_actor.user_id and b.blocked_id = p_user_id;
    return chat.ok(jsonb_build_object('user_id', p_user_id)
                   || case when found then '{}' else '{"duplicate": true}'::jsonb end);
end
$$;

comment on function api.unblock_user_atomic is 'Hear from someone again.';
