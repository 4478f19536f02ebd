-- chat.run_violations: the part of api.check_invariants that is about runs: one answer is under way at a time, and what
-- is kept of it is of one piece; what ended has the answer it says, and no question is answered twice.
--
-- Returns  as api.check_invariants.
create or replace function chat.run_violations()
returns table (invariant text, conversation_id uuid, details jsonb)
language sql stable
as $$
    select 'one_run_of_a_conversation_is_active', r.conversation_id, jsonb_build_object('active', count(*))
      from chat.runs r
     where r.status in ('queued', 'in_progress')
     group by r.conversation_id
    having count(*) > 1
    union all
    select 'runs_are_answered_by_a_bot_of_the_thread_or_the_tenant', r.conversation_id,
           jsonb_build_object('run_id', r.run_id, 'responder_id', r.responder_id)
      from chat.runs r
      join chat.conversations c on c.conversation_id = r.conversation_id
      left join chat.users u on u.user_id = r.responder_id and u.tenant_id = r.tenant_id and u.kind = 'bot'
      left join chat.members m on m.conversation_id = r.conversation_id and m.user_id = r.responder_id
                              and m.role = 'member'
     where u.user_id is null or c.kind not in ('assistant', 'inbox') or c.kind = 'assistant' and m.user_id is null
    union all
    select 'runs_are_asked_for_by_who_wrote', r.conversation_id,
           jsonb_build_object('run_id', r.run_id, 'actor_id', r.actor_id)
      from chat.runs r
      join chat.conversations c on c.conversation_id = r.conversation_id and c.kind = 'assistant'
      join chat.messages q on q.conversation_id = r.conversation_id and q.id = r.message_id
     where q.sender_id is distinct from r.actor_id
    union all
    select 'runs_are_begun_in_ones_own_session', r.conversation_id,
           jsonb_build_object('run_id', r.run_id, 'session_id', r.session_id)
      from chat.runs r
      join chat.sessions s on s.session_id = r.session_id
     where s.user_id <> r.actor_id
    union all
    select 'answers_are_what_their_run_says', r.conversation_id,
           jsonb_build_object('run_id', r.run_id, 'status', r.status, 'answer_id', r.answer_id)
      from chat.runs r
      left join chat.messages a on a.conversation_id = r.conversation_id and a.id = r.answer_id
     where r.answer_id is not null
       and (a.id is null or a.sender_id is distinct from r.responder_id or a.source <> 'bot'
            or a.reply_to_id is distinct from r.message_id
            or a.deleted_at is null
               and (a.metadata ->> 'run_id' is distinct from r.run_id::text
                    or (r.status = 'completed') = (a.metadata ? 'partial')))
    union all
    select 'no_question_has_two_answers', r.conversation_id,
           jsonb_build_object('message_id', r.message_id, 'answers', count(*))
      from chat.runs r
      join chat.messages a on a.conversation_id = r.conversation_id and a.id = r.answer_id and a.deleted_at is null
     where r.status = 'completed'
     group by r.conversation_id, r.message_id
    having count(*) > 1
    union all
    select 'pieces_are_of_an_answer_under_way', d.conversation_id, jsonb_build_object('run_id', d.run_id)
      from chat.run_deltas d
      left join chat.runs r on r.conversation_id = d.conversation_id and r.run_id = d.run_id
     where r.status is distinct from 'in_progress'
    union all
    select 'pieces_follow_each_other', d.conversation_id, jsonb_build_object('run_id', d.run_id, 'start', d.start)
      from (select p.*, lag(p.start + length(p.content), 1, 0)
                        over (partition by p.conversation_id, p.run_id order by p.start) as expected
              from chat.run_deltas p) d
     where d.start <> d.expected
$$;

comment on function chat.run_violations is 'The invariants of runs: one row per violation.';
