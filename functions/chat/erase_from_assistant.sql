-- chat.erase_from_assistant: takes away what an erased user has told the assistant: their threads with all that was
-- said in them, as nobody else has a part in them; attachments; sessions. The caller holds the user's row and their
-- conversations.
--
-- Returns  how many of their messages are gone.
-- Writes   deletes all that belongs to their threads (chat.delete_thread), attachments, sessions; outbox +1 a thread.
create or replace function chat.erase_from_assistant(p_user_id uuid) returns integer
language plpgsql volatile
as $$
declare
    v_id    uuid;
    v_count integer := 0;
begin
    select count(*) into v_count
      from chat.assistant_threads t
      join chat.messages m on m.conversation_id = t.conversation_id and m.sender_id = t.user_id
     where t.user_id = p_user_id and m.deleted_at is null;
    for v_id in
        select t.conversation_id from chat.assistant_threads t where t.user_id = p_user_id order by t.conversation_id
    loop
        perform chat.delete_thread(v_id);
    end loop;
    delete from chat.attachments a where a.user_id = p_user_id;
    delete from chat.sessions s where s.user_id = p_user_id;
    return v_count;
end
$$;

comment on function chat.erase_from_assistant is 'Take away what an erased user has told the assistant.';
