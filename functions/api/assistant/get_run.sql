-- api.get_run: a run, and its answer as far as it has been said.
--
-- Takes    p_attempt, p_after: how many characters of which attempt the caller has: the answer is told from there on,
--          but from the start of another attempt; p_session_id: one of the actor's, or null.
-- Returns  run_id, conversation_id, thread_id, message (the answer of a run that has ended, or null), data: the run
--          with content and offset: how many characters of its attempt come before it.
-- Cost     called for every piece by every reader: it reads the pieces from p_after on, not those before.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.get_run(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_run_id          uuid default null,
    p_attempt         integer default null,
    p_after           integer default 0,
    p_session_id      uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    v_reader  record;
    v_refusal jsonb;
    v_run     chat.runs;
    v_offset  integer;
    v_content text;
    v_message jsonb;
begin
    if p_run_id is null then
        return chat.invalid('run_id', 'is missing');
    end if;
    if p_after < 0 then
        return chat.invalid('after', 'must not be negative');
    end if;
    v_reader := chat.reader(p_conversation_id, p_actor_id);
    v_refusal := coalesce(v_reader.refusal, chat.session_refusal(p_session_id, v_reader.user_id));
    if v_refusal is not null then
        return v_refusal;
    end if;
    select r.* into v_run
      from chat.runs r
     where r.conversation_id = v_reader.conversation_id and r.run_id = p_run_id;
    if not found then
        return chat.fail('not_found', 'there is no such run');
    end if;

    v_offset := case when coalesce(p_attempt, v_run.attempts) = v_run.attempts then coalesce(p_after, 0) else 0 end;
    if v_run.status = 'in_progress' then
        select substr(string_agg(d.content, '' order by d.start), v_offset - min(d.start) + 1) into v_content
          from chat.run_deltas d
         where d.conversation_id = v_run.conversation_id and d.run_id = p_run_id
           and d.start >= coalesce((select max(s.start)
                                      from chat.run_deltas s
                                     where s.conversation_id = v_run.conversation_id and s.run_id = p_run_id
                                       and s.start <= v_offset), 0);
    else
        v_message := chat.run_message(v_run.conversation_id, v_run.answer_id);
        v_content := substr(v_message ->> 'content', v_offset + 1);
    end if;
    return chat.run_result(v_run, v_message, jsonb_build_object(
        'data', chat.run_json(v_run) || jsonb_build_object('content', coalesce(v_content, ''), 'offset', v_offset)));
end
$$;

comment on function api.get_run is 'A run, and its answer as far as it has been said.';
