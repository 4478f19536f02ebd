-- api.complete_run_atomic: the whole answer is there: it becomes a message.
--
-- Takes    p_lease: of the claim; p_content: the answer, null or blank: what was said piece by piece; p_metadata: an
--          object for the message, beside run_id; partial is
--          said of halves only, and left out.
-- Returns  run_id, conversation_id, thread_id, message (the answer, null when there is none), data (the run), changed.
-- Rule     With nothing to say the run fails (empty_answer), also in a closed conversation (conversation_closed).
-- Locks    the responder's member row, the conversation, the run.
-- Writes   messages +1, the run, run_deltas (all of it goes), outbox +2.
-- Retry    again, or after the run became somebody else's, it changes nothing: "duplicate": true.
-- Fails    validation_error, permission_denied, not_found, too_large
create or replace function api.complete_run_atomic(
    p_conversation_id uuid,
    p_run_id          uuid default null,
    p_lease           uuid default null,
    p_content         text default null,
    p_metadata        jsonb default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_most    integer := (select l.answer_characters from chat.limits l);
    v_refusal jsonb;
    v_run     chat.runs;
    v_changed boolean;
begin
    v_refusal := coalesce(
        chat.run_refusal(p_conversation_id, p_run_id, p_lease),
        case when length(p_content) > v_most then chat.oversized('content', v_most, 'characters') end,
        chat.metadata_refusal(p_metadata));
    if v_refusal is not null then
        return v_refusal;
    end if;

    v_run := chat.lock_run(p_conversation_id, p_run_id);
    if v_run.run_id is null then
        return chat.fail('not_found', 'there is no such run');
    end if;
    v_changed := coalesce(v_run.lease = p_lease, false);
    if v_changed then
        v_run := chat.finish_run(v_run, 'completed', p_content, p_metadata => p_metadata);
    end if;
    return chat.ended_run(v_run, v_changed);
end
$$;

comment on function api.complete_run_atomic is 'The whole answer is there: it becomes a message.';
