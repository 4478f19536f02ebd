-- api.append_run_delta: a piece of an answer under way, told to who reads along; or only that the worker lives.
--
-- Takes    p_lease: of the claim; p_content: null or '' to say only that; p_offset: how many characters were said
--          before it: a repeated call is known by it; null: it goes to the end.
-- Returns  active: false when the worker must stop, data (the run) then says why; offset: how many characters have been
--          said; "duplicate": true for a piece that was there.
-- Locks    the run, and waits for nothing while it has it.
-- Writes   run_deltas +1, outbox +1; the run's lease when a quarter of it is over.
-- Retry    with p_offset.
-- Cost     called for every few words of every answer: two rows are written, and no index of runs as a rule.
-- Fails    validation_error, permission_denied, not_found, too_large
create or replace function api.append_run_delta(
    p_conversation_id uuid,
    p_run_id          uuid default null,
    p_lease           uuid default null,
    p_content         text default null,
    p_offset          integer default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    v_refusal  jsonb := chat.run_refusal(p_conversation_id, p_run_id, p_lease);
    v_now      timestamptz := clock_timestamp();
    v_run      chat.runs;
    v_most     integer;
    v_offset   integer;
    v_position bigint;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    select r.* into v_run
      from chat.runs r
     where r.conversation_id = chat.resolved_conversation(p_conversation_id) and r.run_id = p_run_id
       for no key update;
    if not found then
        return chat.fail('not_found', 'there is no such run');
    end if;
    v_offset := coalesce((select d.start + length(d.content)
                            from chat.run_deltas d
                           where d.conversation_id = v_run.conversation_id and d.run_id = p_run_id
                           order by d.start desc
                           limit 1), 0);
    if v_run.lease is distinct from p_lease or v_run.expires_at <= v_now then
        return chat.ok(jsonb_build_object('active', false, 'offset', v_offset, 'data', chat.run_json(v_run)));
    end if;
    if p_content <> '' then
        if p_offset < v_offset then
            return chat.ok(jsonb_build_object('active', true, 'offset', v_offset, 'duplicate', true));
        end if;
        if p_offset > v_offset then
            return chat.invalid('offset', format('is beyond what was said: %s characters', v_offset));
        end if;
        select l.answer_characters into v_most from chat.limits l;
        if v_offset + length(p_content) > v_most then
            return chat.oversized('content', v_most, 'characters');
        end if;
    end if;

    if v_run.due_at < least(v_now + v_run.lease_for * 0.75, v_run.expires_at) then
        update chat.runs r
           set due_at = least(v_now + r.lease_for, r.expires_at)
         where r.conversation_id = v_run.conversation_id and r.run_id = p_run_id;
    end if;
    if p_content <> '' then
        insert into chat.run_deltas (conversation_id, run_id, start, content)
        values (v_run.conversation_id, p_run_id, v_offset, p_content);
        v_position := chat.publish(
            v_run.conversation_id,
            jsonb_build_object('type', 'run_delta', 'offset', v_offset, 'run_id', p_run_id, 'attempt', v_run.attempts,
                               'content', p_content, 'conversation_id', v_run.conversation_id)::text,
            p_desk_id => chat.desk_id(v_run.conversation_id));
        v_offset := v_offset + length(p_content);
    end if;
    return chat.ok(jsonb_build_object('active', true, 'offset', v_offset));
end
$$;

comment on function api.append_run_delta is 'A piece of an answer under way, or only that the worker lives.';
