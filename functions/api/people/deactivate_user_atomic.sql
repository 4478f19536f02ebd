-- api.deactivate_user_atomic: a user may no longer act and leaves every group.
--
-- Takes    p_user_id: whom; p_actor_id: null for a service, else the user themself.
-- Returns  user_id, user.
-- Locks    the user's row, all their member rows, then their groups' rows in id order.
-- Writes   users; per group a system message and members.left_seq: all or nothing.
-- Retry    again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, last_owner (details.conversation_ids)
create or replace function api.deactivate_user_atomic(
    p_user_id  uuid,
    p_actor_id uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_locked  record := chat.lock_subject(p_user_id, p_actor_id);
    v_refusal jsonb := v_locked.refusal;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    p_user_id := (v_locked.subject).user_id;
    if (v_locked.subject).deactivated_at is not null then
        return chat.ok(jsonb_build_object(
            'user_id', p_user_id, 'user', chat.user_json(v_locked.subject), 'duplicate', true));
    end if;

    perform chat.lock_groups(p_user_id);
    v_refusal := chat.retire_user(p_user_id, p_actor_id, false);
    if v_refusal is not null then
        return v_refusal;
    end if;
    return (select chat.ok(jsonb_build_object('user_id', u.user_id, 'user', chat.user_json(u)))
              from chat.users u
             where u.user_id = p_user_id);
end
$$;

comment on function api.deactivate_user_atomic is 'A user may no longer act and leaves every group.';
