-- chat.lock_active_run: the run that is under way in a conversation, whose row the caller holds.
--
-- Returns  the row; all null when none is.
-- Locks    the run. Who has one waits for nothing else.
create or replace function chat.lock_active_run(p_conversation_id uuid) returns chat.runs
language sql volatile
as $$
    select r
      from chat.runs r
     where r.conversation_id = p_conversation_id and r.status in ('queued', 'in_progress')
       for no key update
$$;

comment on function chat.lock_active_run is 'The run that is under way in a conversation, locked.';
