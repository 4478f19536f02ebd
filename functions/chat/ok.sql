-- chat.ok: the success result.
--
-- Takes    p_result: the named results; p_status: 200, or 201 for a creation.
-- Returns  {"success": true, ...p_result}; the status goes to response.status, which PostgREST answers with:
--          a 200 too, as a call before this one in the same transaction may have been refused.
create or replace function chat.ok(p_result jsonb default '{}', p_status integer default 200) returns jsonb
language plpgsql volatile
as $$
begin
    perform set_config('response.status', p_status::text, true);
    return '{"success": true}'::jsonb || p_result;
end
$$;

comment on function chat.ok is 'The success result: {"success": true, ...}.';
