-- chat.run_problem: whether a run that is due cannot be given to a worker any more.
--
-- Takes    p_run: the row.
-- Returns  null; else the status it has to end with, and the error of a failed one: nobody wants the answer any more,
--          the question was taken back, or as many workers as limits.run_attempts were lost over it.
create or replace function chat.run_problem(p_run chat.runs, out status text, out error jsonb)
language plpgsql stable
as $$
declare
    v_tries integer := p_run.attempts - p_run.releases;
begin
    if p_run.expires_at <= clock_timestamp() then
        status := 'expired';
    elsif v_tries >= (select l.run_attempts from chat.limits l) then
        status := 'failed';
        error := jsonb_build_object('code', 'worker_lost', 'message',
                                    format('nothing was heard of %s workers that had it', v_tries));
    elsif exists (select
                    from chat.messages m
                    join chat.conversations c on c.conversation_id = m.conversation_id and c.kind = 'assistant'
                   where m.conversation_id = p_run.conversation_id and m.id = p_run.message_id
                     and m.deleted_at is not null) then
        status := 'cancelled';
    end if;
end
$$;

comment on function chat.run_problem is 'Null, or how a run has to end that no worker can have any more.';
