-- chat.run_refusal: checks how a worker names the run it has.
--
-- Returns  null, or the refusal.
-- Fails    validation_error, permission_denied
create or replace function chat.run_refusal(p_conversation_id uuid, p_run_id uuid, p_lease uuid) returns jsonb
language plpgsql volatile
as $$
begin
    return coalesce(
        chat.service_refusal(),
        case when p_conversation_id is null then chat.invalid('conversation_id', 'is missing')
             when p_run_id is null then chat.invalid('run_id', 'is missing')
             when p_lease is null then chat.invalid('lease', 'is missing') end);
end
$$;

comment on function chat.run_refusal is 'Null, or why a worker''s call about a run is refused.';
