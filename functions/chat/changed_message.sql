-- chat.changed_message: the success result of a change to a message: the message as it is now.
create or replace function chat.changed_message(
    p_conversation_id uuid,
    p_message_id      uuid,
    p_duplicate       boolean default false
) returns jsonb
language sql volatile
as $$
    select chat.ok(jsonb_build_object('message', chat.message_json(m, u.display_name))
                   || case when p_duplicate then '{"duplicate": true}'::jsonb else '{}' end)
      from chat.messages m
      left join chat.users u on u.user_id = m.sender_id
     where m.conversation_id = p_conversation_id and m.id = p_message_id
$$;

comment on function chat.changed_message is 'The success result of a change to a message.';
