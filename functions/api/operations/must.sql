-- api.must: turns a refusal into an exception, for SQL callers who compose calls in a transaction and want a
-- refusal to roll all of it back:  select api.must(api.send_message_atomic(...));
--
-- Takes    p_result: what an api function returned.
-- Returns  the same, when it is a success.
-- Raises   a refusal as SQLSTATE PTnnn (PostgREST's convention: nnn is the HTTP status), message as it is,
--          detail {"error", "details"} as JSON. Anything that is no result at all, as PT400.
create or replace function api.must(p_result jsonb) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if (p_result -> 'success') = 'true' then
        return p_result;
    end if;
    raise exception using
        errcode = case when p_result ->> 'code' ~ '^PT[45]\d\d$' then p_result ->> 'code' else 'PT400' end,
        message = coalesce(p_result ->> 'message', 'api.must was given something that is not a result'),
        detail = jsonb_build_object('error', coalesce(p_result ->> 'error', 'validation_error'),
                                    'details', p_result -> 'details')::text;
end
$$;

comment on function api.must is 'The result if it is a success; a refusal is raised as SQLSTATE PTnnn.';
