-- chat.retire_user: deactivates a user: they leave every group and the desk and may not act. Direct and help
-- conversations keep them as a member, so that the other side keeps its history.
--
-- Takes    p_user_id: of the actor's tenant, whose row and groups the caller has locked; p_actor_id: who does
--          it, null for a service; p_forced: leave even as the last owner, after making the longest-standing
--          remaining member (admins first) an owner: the caller has locked the members of the groups, too.
-- Returns  null, or last_owner with details.conversation_ids: nothing is written then.
-- Writes   users.deactivated_at; desk_agents; per group members.left_seq, a system message, outbox; an event for
--          listeners, which close the user's sockets.
create or replace function chat.retire_user(p_user_id uuid, p_actor_id uuid, p_forced boolean) returns jsonb
language plpgsql volatile
as $$
declare
    v_conversation_id uuid;
    v_heir            uuid;
    v_stuck           uuid[];
begin
    select array_agg(m.conversation_id order by m.conversation_id) into v_stuck
      from chat.members m
      join chat.conversations c on c.conversation_id = m.conversation_id and c.kind = 'group'
     where m.user_id = p_user_id and m.left_seq is null and m.role = 'owner'
       and not chat.has_other_owner(m.conversation_id, p_user_id);
    if v_stuck is not null and not p_forced then
        return chat.fail('last_owner', p_details => jsonb_build_object('conversation_ids', to_jsonb(v_stuck)));
    end if;

    for v_conversation_id in
        select m.conversation_id
          from chat.members m
          join chat.conversations c on c.conversation_id = m.conversation_id and c.kind = 'group'
         where m.user_id = p_user_id and m.left_seq is null
         order by m.conversation_id
    loop
        if v_conversation_id = any (v_stuck) then
            select m.user_id into v_heir
              from chat.members m
             where m.conversation_id = v_conversation_id and m.user_id <> p_user_id and m.left_seq is null
             order by m.role = 'admin' desc, m.joined_seq, m.joined_at, m.user_id
             limit 1;
            update chat.members m
               set role = 'owner'
             where m.conversation_id = v_conversation_id and m.user_id = v_heir;
            perform chat.append_member_event(v_conversation_id, 'role_changed', p_actor_id, array[v_heir], 'owner');
        end if;
        perform chat.end_membership(v_conversation_id, p_user_id, coalesce(p_actor_id, p_user_id));
    end loop;

    update chat.users u
       set deactivated_at = coalesce(u.deactivated_at, clock_timestamp()), updated_at = clock_timestamp()
     where u.user_id = p_user_id;
    delete from chat.desk_agents d where d.user_id = p_user_id;
    perform chat.publish(null, jsonb_build_object(
        'type', 'user_deactivated', 'user_ids', jsonb_build_array(p_user_id))::text);
    return null;
end
$$;

comment on function chat.retire_user is 'Deactivate a user and take them out of every group.';
