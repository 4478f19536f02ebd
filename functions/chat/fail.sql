-- chat.fail: the refusal. Every refusal of every function is built here.
--
-- Takes    p_code: one of api.error_codes; p_message: one English sentence, by default the code's meaning;
--          p_details: what a program needs to react.
-- Returns  {"success": false, "error", "code": "PT<status>", "message", "details", "hint": null}, the last
--          four being what PostgREST clients read; response.status is set to the code's status.
-- Raises   on a code that is not in the catalogue: a bug of ours.
create or replace function chat.fail(p_code text, p_message text default null, p_details jsonb default null)
returns jsonb
language plpgsql volatile
as $$
declare
    v_status  integer;
    v_meaning text;
begin
    select e.http_status, e.meaning into v_status, v_meaning from api.error_codes e where e.code = p_code;
    if not found then
        raise exception 'error code % is not in api.error_codes', p_code;
    end if;
    perform set_config('response.status', v_status::text, true);
    return jsonb_build_object(
        'success', false,
        'error', p_code,
        'code', 'PT' || v_status,
        'message', coalesce(p_message, v_meaning),
        'details', p_details,
        'hint', null);
end
$$;

comment on function chat.fail is 'A refusal with a code from api.error_codes.';
