-- chat.end_membership: takes an active member out of a group. The caller has checked and holds the locks.
--
-- Returns  the system message's JSON.
-- Writes   the system message, members.left_seq, conversations.member_count.
create or replace function chat.end_membership(p_conversation_id uuid, p_user_id uuid, p_actor_id uuid) returns jsonb
language plpgsql volatile
as $$
declare
    v_message jsonb := chat.append_member_event(
        p_conversation_id,
        case when p_user_id = p_actor_id then 'member_left' else 'member_removed' end,
        p_actor_id, array[p_user_id]);
begin
    update chat.members m
       set left_seq = (v_message ->> 'seq')::bigint
     where m.conversation_id = p_conversation_id and m.user_id = p_user_id;
    update chat.conversations c
       set member_count = c.member_count - 1
     where c.conversation_id = p_conversation_id;
    return v_message;
end
$$;

comment on function chat.end_membership is 'Take a member out of a group, with its system message.';
