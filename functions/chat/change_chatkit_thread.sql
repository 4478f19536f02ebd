-- chat.change_chatkit_thread: keeps a ChatKit thread that is saved again, and makes its conversation say the same. The
-- caller holds its locks.
--
-- Takes    p_conversation, p_thread: the rows as they are; p_title, p_metadata, p_is_closed: as they are to be;
--          p_payload: the thread as it is saved now.
-- Returns  whether anything changed.
-- Writes   assistant_threads, conversations; a change for each of: renamed, closed, reopened.
create or replace function chat.change_chatkit_thread(
    p_conversation chat.conversations,
    p_thread       chat.assistant_threads,
    p_title        text,
    p_metadata     jsonb,
    p_is_closed    boolean,
    p_payload      jsonb
) returns boolean
language plpgsql volatile
as $$
declare
    v_id       uuid := p_thread.conversation_id;
    v_renames  boolean := p_title is distinct from p_conversation.title or p_metadata <> p_conversation.metadata;
    v_switches boolean := p_is_closed <> (p_conversation.closed_at is not null);
begin
    if v_renames then
        update chat.conversations c set title = p_title, metadata = p_metadata where c.conversation_id = v_id;
        perform chat.append_change(
            v_id, 'conversation_updated', p_thread.user_id,
            p_data => jsonb_build_object('title', p_conversation.title, 'metadata', p_conversation.metadata));
    end if;
    if v_switches then
        update chat.conversations c
           set closed_at = case when p_is_closed then clock_timestamp() end
         where c.conversation_id = v_id;
        perform chat.append_change(
            v_id, case when p_is_closed then 'conversation_closed' else 'conversation_reopened' end, p_thread.user_id);
    end if;
    update chat.assistant_threads t
       set payload = p_payload
     where t.conversation_id = v_id and t.payload is distinct from p_payload;
    return found or v_renames or v_switches;
end
$$;

comment on function chat.change_chatkit_thread is 'Keep a ChatKit thread that is saved again.';
