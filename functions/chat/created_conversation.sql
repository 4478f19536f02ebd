-- chat.created_conversation: the success result of a creation.
create or replace function chat.created_conversation(p_conversation_id uuid, p_message jsonb, p_duplicate boolean)
returns jsonb
language sql volatile
as $$
    select chat.ok(jsonb_build_object('conversation_id', c.conversation_id,
                                      'conversation', chat.conversation_json(c),
                                      'message', p_message)
                   || case when p_duplicate then '{"duplicate": true}'::jsonb else '{}' end,
                   case when p_duplicate then 200 else 201 end)
      from chat.conversations c
     where c.conversation_id = p_conversation_id
$$;

comment on function chat.created_conversation is 'The success result of a creation.';
