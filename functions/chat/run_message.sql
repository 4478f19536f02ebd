-- chat.run_message: a message that a run is about, its question or its answer, as callers see it; null: none.
create or replace function chat.run_message(p_conversation_id uuid, p_message_id uuid) returns jsonb
language sql stable
as $$
    select chat.message_json(m, u.display_name)
      from chat.messages m
      left join chat.users u on u.user_id = m.sender_id
     where m.conversation_id = p_conversation_id and m.id = p_message_id
$$;

comment on function chat.run_message is 'The question or the answer of a run.';
