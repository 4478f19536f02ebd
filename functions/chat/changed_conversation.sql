-- chat.changed_conversation: the success result of a change to a conversation: what it is now.
create or replace function chat.changed_conversation(p_conversation_id uuid, p_duplicate boolean default false)
returns jsonb
language sql volatile
as $$
    select chat.ok(jsonb_build_object('conversation', chat.conversation_json(c))
                   || case when p_duplicate then '{"duplicate": true}'::jsonb else '{}' end)
      from chat.conversations c
     where c.conversation_id = p_conversation_id
$$;

comment on function chat.changed_conversation is 'The success result of a change to a conversation.';
