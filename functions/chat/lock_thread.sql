-- chat.lock_thread: locks what the desk knows about an inbox conversation; the id may have been merged away, also
-- while we waited for it.
--
-- Returns  the thread's row that is there now, locked; all null when there is none.
-- Locks    the thread row: after the conversation row, by who holds that too.
create or replace function chat.lock_thread(p_conversation_id uuid) returns chat.threads
language plpgsql volatile
as $$
declare
    v_id     uuid := p_conversation_id;
    v_thread chat.threads;
begin
    loop
        select t.* into v_thread from chat.threads t where t.conversation_id = v_id for no key update;
        exit when found;
        select r.new_id into v_id from chat.redirects r where r.old_id = v_id and r.kind = 'conversation';
        exit when not found;
    end loop;
    return v_thread;
end
$$;

comment on function chat.lock_thread is 'Lock the thread of an inbox conversation, or of what it was merged into.';
