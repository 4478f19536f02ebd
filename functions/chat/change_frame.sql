-- chat.change_frame: the event that tells of a change, with the message or conversation as it is now.
--
-- Takes    p_change: the row of chat.changes.
-- Returns  the frame; a skip when the message has been purged since.
create or replace function chat.change_frame(p_change chat.changes) returns jsonb
language sql stable
as $$
    select case
        when p_change.kind like 'conversation%' then
            (select jsonb_build_object('type', p_change.kind, 'conversation_id', p_change.conversation_id,
                                       'seq', p_change.seq, 'actor_id', p_change.actor_id,
                                       'conversation', chat.conversation_json(c))
                    || case when p_change.data ? 'assignee_id'
                            then jsonb_build_object('assignee_id', p_change.data -> 'assignee_id',
                                                    'taken_over_at', p_change.data -> 'taken_over_at') else '{}' end
               from chat.conversations c
              where c.conversation_id = p_change.conversation_id)
        when p_change.message_id is null then
            chat.skip_frame(p_change.conversation_id, p_change.seq)
        else
            (select jsonb_build_object('type', p_change.kind, 'conversation_id', p_change.conversation_id,
                                       'seq', p_change.seq, 'actor_id', p_change.actor_id,
                                       'message', chat.message_json(m, u.display_name))
                    || case when p_change.kind like 'reaction%'
                            then jsonb_build_object('emoji', p_change.data -> 'emoji') else '{}' end
               from chat.messages m
               left join chat.users u on u.user_id = m.sender_id
              where m.conversation_id = p_change.conversation_id and m.id = p_change.message_id)
        end
$$;

comment on function chat.change_frame is 'The event that tells of a change.';
