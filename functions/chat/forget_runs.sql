-- chat.forget_runs: takes runs away with the messages they are about. The caller holds the conversation's row.
--
-- Takes    p_seq: those whose question or answer is at or before this log number; null: all.
-- Locks    the runs.
-- Writes   runs, run_deltas; outbox +1 when one was active: it is told as cancelled, and leaves no answer.
create or replace function chat.forget_runs(p_conversation_id uuid, p_seq bigint default null) returns void
language plpgsql volatile
as $$
declare
    v_run chat.runs;
begin
    for v_run in
        delete from chat.runs r
         where r.conversation_id = p_conversation_id
           and (p_seq is null
                or exists (select from chat.messages m
                            where m.conversation_id = r.conversation_id and m.id in (r.message_id, r.answer_id)
                              and m.seq <= p_seq))
        returning r.*
    loop
        if v_run.status in ('queued', 'in_progress') then
            v_run.status := 'cancelled';
            perform chat.announce_run(v_run);
        end if;
    end loop;
end
$$;

comment on function chat.forget_runs is 'Take runs away with the messages they are about.';
