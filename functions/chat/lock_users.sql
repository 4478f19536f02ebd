-- chat.lock_users: holds users against deactivation and blocks while they are put into a conversation.
--
-- Takes    p_user_ids: distinct or not; p_field: the argument they came in, for the refusal.
-- Returns  null, or not_found naming those that are unknown, of another tenant, or deactivated.
-- Locks    the user rows, shared, by id: before any member row.
create or replace function chat.lock_users(p_tenant_id uuid, p_user_ids uuid[], p_field text) returns jsonb
language plpgsql volatile
as $$
declare
    v_missing uuid[];
begin
    perform from chat.users u
      where u.user_id = any (p_user_ids) and u.tenant_id = p_tenant_id
      order by u.user_id
        for share;

    select array_agg(w.user_id order by w.user_id) into v_missing
      from unnest(p_user_ids) w (user_id)
      left join chat.users u on u.user_id = w.user_id and u.tenant_id = p_tenant_id and u.deactivated_at is null
     where u.user_id is null;
    if v_missing is not null then
        return chat.fail('not_found', 'there is no such user',
                         jsonb_build_object('field', p_field, 'user_ids', to_jsonb(v_missing)));
    end if;
    return null;
end
$$;

comment on function chat.lock_users is 'Hold users while they are put into a conversation, or say who is missing.';
