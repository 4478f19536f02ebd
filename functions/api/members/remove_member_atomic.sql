-- api.remove_member_atomic: take a member out of a group; oneself: leave it.
--
-- Takes    p_user_id: whom. Owners remove anyone, admins remove plain members.
-- Returns  message (the system message), affected_count.
-- Locks    both member rows, by user id (a message in flight of the removed comes before, or is refused), then
--          the conversation row.
-- Writes   members.left_seq, the system message, conversations (last_seq, member_count), outbox +1.
-- Retry    someone who is no member any more: affected_count 0 and "duplicate": true.
-- Fails    validation_error, unsupported, unauthenticated, permission_denied, not_found, not_a_member, last_owner
create or replace function api.remove_member_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_user_id         uuid default null
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

    v_by := chat.participant(p_conversation_id, p_actor_id, array[p_user_id]);
    select m.* into v_target
      from chat.members m
     where m.conversation_id = p_conversation_id and m.user_id = p_user_id and m.user_id = any (v_by.locked);

    if v_by.refusal ->> 'error' = 'not_a_member' and p_user_id = v_by.user_id and v_target.left_seq is not null then
        return chat.ok(jsonb_build_object('message', null, 'affected_count', 0, 'duplicate', true));
    end if;
    if v_by.refusal is not null then
        return v_by.refusal;
    end if;
    if (v_by.conversation).kind <> 'group' then
        return chat.fail('unsupported', format('members of %s conversations are fixed', (v_by.conversation).kind));
    end if;
    if p_user_id <> v_by.user_id and v_by.role = 'member' then
        return chat.fail('permission_denied', 'only owners and admins remove others');
    end if;
    if v_target.user_id is null then
        return chat.fail('not_found', 'there is no such member');
    end if;
    if v_target.left_seq is not null then
        return chat.ok(jsonb_build_object('message', null, 'affected_count', 0, 'duplicate', true));
    end if;
    if p_user_id <> v_by.user_id and v_by.role = 'admin' and v_target.role <> 'member' then
        return chat.fail('permission_denied', 'admins remove plain members only');
    end if;
    if v_target.role = 'owner' and not chat.has_other_owner(p_conversation_id, p_user_id) then
        return chat.fail('last_owner');
    end if;

    return chat.ok(jsonb_build_object(
        'message', chat.end_membership(p_conversation_id, p_user_id, v_by.user_id), 'affected_count', 1));
end
$$;

comment on function api.remove_member_atomic is 'Take a member out of a group, or leave it, with one system message.';
