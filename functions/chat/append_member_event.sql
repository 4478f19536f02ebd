-- chat.append_member_event: the system message that every change of members writes.
--
-- Takes    p_event: member_added | member_removed | member_left | role_changed; p_actor_id: who did it;
--          p_user_ids: to whom; p_role: the new role, for role_changed.
-- Returns  the message's JSON; its seq is the members' joined_seq or left_seq.
-- Locks    the conversation row, which the caller already holds.
create or replace function chat.append_member_event(
    p_conversation_id uuid,
    p_event           text,
    p_actor_id        uuid,
    p_user_ids        uuid[],
    p_role            text default null
) returns jsonb
language plpgsql volatile
as $$
declare
    v_actor text := coalesce((select u.display_name from chat.users u where u.user_id = p_actor_id),
                             'An administrator');
    v_users text;
begin
    select string_agg(u.display_name, ', ' order by w.position) into v_users
      from unnest(p_user_ids[1:3]) with ordinality w (user_id, position)
      join chat.users u on u.user_id = w.user_id;
    if cardinality(p_user_ids) > 3 then
        v_users := format('%s and %s more', v_users, cardinality(p_user_ids) - 3);
    end if;

    return chat.append_message(
        p_conversation_id => p_conversation_id,
        p_sender_id => null,
        p_sender_name => null,
        p_source => 'system',
        p_type => 'system',
        p_content => case p_event
            when 'member_added' then format('%s added %s', v_actor, v_users)
            when 'member_removed' then format('%s removed %s', v_actor, v_users)
            when 'member_left' then format('%s left', v_users)
            when 'role_changed' then format('%s made %s %s', v_actor, v_users, p_role) end,
        p_metadata => jsonb_strip_nulls(jsonb_build_object(
            'event', p_event, 'actor_id', p_actor_id, 'user_ids', to_jsonb(p_user_ids), 'role', p_role)));
end
$$;

comment on function chat.append_member_event is 'Write the system message of a change of members.';
