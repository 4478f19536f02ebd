-- chat.send_item_problem: checks the types of one element of a batch, which SQL has not checked for us.
--
-- Takes    p_message: an element of send_messages_atomic's array.
-- Returns  the name of the first argument that is unknown or of the wrong type; 'messages' when it is no
--          object; null when all is well.
create or replace function chat.send_item_problem(p_message jsonb) returns text
language sql immutable
as $$
    select case
        when jsonb_typeof(p_message) <> 'object' then 'messages'
        else (select regexp_replace(f.key, '^p_', '')
                from jsonb_each(p_message) f
               where case
                   when f.key not in ('p_conversation_id', 'p_actor_id', 'p_content', 'p_client_message_id',
                                      'p_type', 'p_metadata', 'p_reply_to_id', 'p_source') then true
                   when f.value = 'null' or f.key = 'p_metadata' then false
                   when jsonb_typeof(f.value) <> 'string' then true
                   when f.key in ('p_conversation_id', 'p_actor_id', 'p_reply_to_id')
                       then not chat.is_uuid(f.value #>> '{}')
                   else false end
               order by f.key
               limit 1)
        end
$$;

comment on function chat.send_item_problem is 'What is wrong with the types of one message of a batch.';
