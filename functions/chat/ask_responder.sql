-- chat.ask_responder: queues a run where the responder of an inbox conversation owes an answer: the contact has asked,
-- nobody is answering, and no person has taken over.
--
-- Takes    p_conversation_id: also of one that was merged meanwhile; p_after_seq: what was asked up to there is
--          settled; null: what a completed run knew of, or a person has answered.
-- Locks    the caller holds the conversation row; the thread row.
-- Writes   runs +1, outbox +1. A run whose question was taken back is cancelled first.
-- Rule     One run answers everything that was said before a worker takes it. What is said later has to wait until it
--          ends: then whoever ends it calls this again. Nobody is answered whom no answer could reach.
create or replace function chat.ask_responder(p_conversation_id uuid, p_after_seq bigint default null) returns void
language plpgsql volatile
as $$
declare
    v_thread       chat.threads := chat.lock_thread(p_conversation_id);
    v_id           uuid := v_thread.conversation_id;
    v_is_wanted    boolean;
    v_conversation chat.conversations;
    v_responder_id uuid;
    v_settled_seq  bigint := p_after_seq;
    v_question_id  uuid;
begin
    select chat.is_question(m) into v_is_wanted
      from chat.runs r
      join chat.messages m on m.conversation_id = r.conversation_id and m.id = r.message_id
     where r.conversation_id = v_id and r.status in ('queued', 'in_progress');
    if v_is_wanted then
        return;
    elsif not v_is_wanted then
        perform chat.cancel_active_run(v_id);
    end if;

    select u.user_id into v_responder_id
      from chat.channels h
      join chat.users u on u.user_id = h.responder_id and u.deactivated_at is null
     where h.channel_id = v_thread.channel_id and v_thread.taken_over_at is null
       and chat.window_closes_at(v_thread) > clock_timestamp();
    if not found then
        return;
    end if;
    select c.* into v_conversation
      from chat.conversations c
     where c.conversation_id = v_id and c.closed_at is null;
    if not found then
        return;
    end if;
    if v_settled_seq is null then
        select coalesce(max(r.input_seq), 0) into v_settled_seq
          from chat.runs r
         where r.conversation_id = v_id and r.status = 'completed';
        select greatest(v_settled_seq, max(m.seq)) into v_settled_seq
          from chat.messages m
         where m.conversation_id = v_id and m.seq > v_settled_seq and m.source = 'person';
    end if;
    select m.id into v_question_id
      from chat.messages m
     where m.conversation_id = v_id and m.seq > v_settled_seq and chat.is_question(m)
       and not exists (select from chat.runs r
                        where r.conversation_id = v_id and r.message_id = m.id and r.status = 'completed')
     order by m.seq desc
     limit 1;
    if found then
        perform chat.queue_run(v_conversation, v_question_id, v_thread.contact_id, v_responder_id);
    end if;
end
$$;

comment on function chat.ask_responder is 'Queue a run where the responder of an inbox conversation owes an answer.';
