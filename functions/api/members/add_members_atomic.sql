-- api.add_members_atomic: add people to a group, all or none, with the system message that tells of it.
--
-- Takes    p_member_ids: users of the same tenant; those who are members already stay as they are.
-- Returns  added, already_members (user ids), message (null when nobody was added), affected_count.
-- Locks    the users' rows, shared (deactivation waits), joining, shared (erasure waits), then the member rows
--          there are, by user id, then the conversation row: whoever adds the same people at the same time waits
--          here, and finds them added.
-- Writes   members, the system message, conversations (last_seq, member_count), outbox +1.
-- Retry    again adds nobody: "duplicate": true.
-- Fails    validation_error, unsupported, unauthenticated, permission_denied, not_found, not_a_member,
--          conversation_closed, too_large
create or replace function api.add_members_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_member_ids      uuid[] default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_actor   record;
    v_by      record;
    v_refusal jsonb;
    v_wanted  uuid[];
    v_added   uuid[];
    v_message jsonb;
begin
    if coalesce(cardinality(p_member_ids), 0) = 0 then
        return chat.invalid('member_ids', 'is empty');
    end if;
    v_refusal := chat.member_ids_refusal(p_member_ids);
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    v_wanted := array(select distinct w.user_id from unnest(p_member_ids) w (user_id) order by w.user_id);

    v_refusal := chat.lock_users(v_actor.tenant_id, v_wanted, 'member_ids');
    perform pg_advisory_xact_lock_shared(chat.joining_lock(p_conversation_id));
    v_by := chat.participant(p_conversation_id, p_actor_id, v_wanted);

    -- Who may not add learns nothing about the people named.
    if v_by.refusal is not null then
        return v_by.refusal;
    end if;
    if (v_by.conversation).kind <> 'group' then
        return chat.fail('unsupported', format('members of %s conversations are fixed', (v_by.conversation).kind));
    end if;
    v_refusal := coalesce(chat.manager_refusal(v_by.conversation, v_by.role), v_refusal);
    if v_refusal is not null then
        return v_refusal;
    end if;
    -- Who was added and left again while we waited was a member when we came.
    v_added := array(
        select w.user_id
          from unnest(v_wanted) w (user_id)
          left join chat.members m on m.conversation_id = p_conversation_id and m.user_id = w.user_id
         where m.user_id is null or m.left_seq is not null and m.user_id = any (v_by.locked)
         order by w.user_id);
    if cardinality(v_added) > 0 and (v_by.conversation).closed_at is not null then
        return chat.fail('conversation_closed');
    end if;

    if cardinality(v_added) > 0 then
        v_message := chat.append_member_event(p_conversation_id, 'member_added', v_by.user_id, v_added);
        insert into chat.members as m (conversation_id, user_id, tenant_id, joined_seq, delivered_seq, read_seq)
        select p_conversation_id, w.user_id, v_by.tenant_id, j.seq, j.seq, j.seq
          from unnest(v_added) w (user_id), cast(v_message ->> 'seq' as bigint) j (seq)
         order by w.user_id
            on conflict (conversation_id, user_id) do update
           set role = 'member', left_seq = null, joined_seq = excluded.joined_seq,
               delivered_seq = excluded.delivered_seq, read_seq = excluded.read_seq,
               sent_count_at_read = m.sent_count, notify = 'all', muted_until = null,
               joined_at = excluded.joined_at;
        update chat.conversations c
           set member_count = c.member_count + cardinality(v_added)
         where c.conversation_id = p_conversation_id;
    end if;
    return chat.ok(jsonb_build_object(
            'added', to_jsonb(v_added),
            'already_members', to_jsonb(array(select unnest(v_wanted) except select unnest(v_added) order by 1)),
            'message', v_message,
            'affected_count', cardinality(v_added))
        || case when v_message is null then '{"duplicate": true}'::jsonb else '{}' end,
        case when v_message is null then 200 else 201 end);
end
$$;

comment on function api.add_members_atomic is 'Add people to a group, all or none, with one system message.';
