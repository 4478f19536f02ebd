-- chat.run_for: the run that a message was asked for with, or that another need not be asked for beside.
--
-- Takes    p_question: the message; p_first: its first run, whatever became of it; else only one that is active, or has
--          completed with an answer that is still there.
-- Returns  the run; all null when there is none.
create or replace function chat.run_for(p_question chat.messages, p_first boolean) returns chat.runs
language sql volatile
as $$
    select r
      from chat.runs r
      left join chat.messages a on a.conversation_id = r.conversation_id and a.id = r.answer_id
     where r.conversation_id = p_question.conversation_id and r.message_id = p_question.id
       and (p_first
            or r.status in ('queued', 'in_progress') and r.expires_at > clock_timestamp()
            or r.status = 'completed' and a.deleted_at is null)
     order by r.run_id
     limit 1
$$;

comment on function chat.run_for is 'The run that a message was asked for with.';
