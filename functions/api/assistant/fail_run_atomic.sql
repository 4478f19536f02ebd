-- api.fail_run_atomic: there will be no answer, or no more of it. What was said by then is kept as a message.
--
-- Takes    p_lease: of the claim; p_error: {"code", "message"}, both text: told to who asked.
-- Returns  run_id, conversation_id, thread_id, message (what was said, or null), data (the run), changed.
-- Locks    the responder's member row, the conversation, the run.
-- Writes   the run, run_deltas (all of it goes), outbox +1; messages +1 when something was said.
-- Retry    again, or after the run became somebody else's, it changes nothing: "duplicate": true.
-- Fails    validation_error, permission_denied, not_found, too_large
create or replace function api.fail_run_atomic(
    p_conversation_id uuid,
    p_run_id          uuid default null,
    p_lease           uuid default null,
    p_error           jsonb default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_most    integer := (select l.metadata_bytes from chat.limits l);
    v_refusal jsonb;
    v_run     chat.runs;
    v_changed boolean;
begin
    v_refusal := coalesce(
        chat.run_refusal(p_conversation_id, p_run_id, p_lease),
        case when jsonb_typeof(p_error -> 'code') is distinct from 'string'
                  or jsonb_typeof(p_error -> 'message') is distinct from 'string' then
                 chat.invalid('error', 'must be an object with code and message')
             when octet_length(p_error::text) > v_most then chat.oversized('error', v_most, 'bytes') end);
    if v_refusal is not null then
        return v_refusal;
    end if;

    v_run := chat.lock_run(p_conversation_id, p_run_id);
    if v_run.run_id is null then
        return chat.fail('not_found', 'there is no such run');
    end if;
    v_changed := coalesce(v_run.lease = p_lease, false);
    if v_changed then
        v_run := chat.finish_run(v_run, 'failed', p_error => p_error);
    end if;
    return chat.ended_run(v_run, v_changed);
end
$$;

comment on function api.fail_run_atomic is 'There will be no answer, or no more of it.';
