-- chat.page_refusal: checks a page size.
--
-- Returns  null, or validation_error when p_limit is not between 1 and chat.limits.page_size.
create or replace function chat.page_refusal(p_limit integer) returns jsonb
language plpgsql volatile
as $$
declare
    v_most integer := (select l.page_size from chat.limits l);
begin
    if p_limit between 1 and v_most then
        return null;
    end if;
    return chat.invalid('limit', format('must be between 1 and %s', v_most));
end
$$;

comment on function chat.page_refusal is 'Null, or why a page size is refused.';
