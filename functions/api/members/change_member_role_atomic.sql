-- api.change_member_role_atomic: make a member of a group an owner, an admin or a plain member.
--
-- Takes    p_user_id: whose role; p_role: owner | admin | member. Only owners change roles.
-- Returns  message (the system message), affected_count.
-- Locks    both member rows, by user id, then the conversation row.
-- Writes   members.role, the system message, conversations.last_seq, outbox +1.
-- Retry    the same role again changes nothing: affected_count 0 and "duplicate": true.
-- Fails    validation_error, unsupported, unauthenticated, permission_denied, not_found, not_a_member, last_owner
create or replace function api.change_member_role_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_user_id         uuid default null,
    p_role            text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_by     record;
    v_target chat.members;
begin
    if p_user_id is null then
        return chat.invalid('user_id', 'is missing');
    end if;
    if p_role is null or p_role not in ('owner', 'admin', 'member') then
        return chat.invalid('role', 'must be owner, admin or member');
    end if;

    v_by := chat.participant(p_conversation_id, p_actor_id, array[p_user_id]);
    if v_by.refusal is not null then
        return v_by.refusal;
    end if;

    if (v_by.conversation).kind <> 'group' then
        return chat.fail('unsupported', format('%s conversations have no roles', (v_by.conversation).kind));
    end if;
    if v_by.role <> 'owner' then
        return chat.fail('permission_denied', 'only owners change roles');
    end if;
    select m.* into v_target
      from chat.members m
     where m.conversation_id = p_conversation_id and m.user_id = p_user_id and m.user_id = any (v_by.locked)
       and m.left_seq is null;
    if not found then
        return chat.fail('not_found', 'there is no such member');
    end if;
    if v_target.role = p_role then
        return chat.ok(jsonb_build_object('message', null, 'affected_count', 0, 'duplicate', true));
    end if;
    if v_target.role = 'owner'
       and not exists (select from chat.members m
                        where m.conversation_id = p_conversation_id and m.user_id <> p_user_id
                          and m.role = 'owner' and m.left_seq is null) then
        return chat.fail('last_owner');
    end if;

    update chat.members m
       set role = p_role
     where m.conversation_id = p_conversation_id and m.user_id = p_user_id;
    return chat.ok(jsonb_build_object(
        'message', chat.append_member_event(p_conversation_id, 'role_changed', v_by.user_id, array[p_user_id], p_role),
        'affected_count', 1));
end
$$;

comment on function api.change_member_role_atomic is 'Change a member''s role in a group, with one system message.';
