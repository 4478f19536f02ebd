-- chat.oversized: the refusal of an argument larger than its limit in chat.limits.
--
-- Takes    p_field: the argument's name without p_; p_limit, p_unit: how much is allowed.
-- Returns  too_large with details.field and details.limit.
create or replace function chat.oversized(p_field text, p_limit integer, p_unit text) returns jsonb
language sql volatile
as $$
    select chat.fail('too_large', format('%s is larger than %s %s', p_field, p_limit, p_unit),
                     jsonb_build_object('field', p_field, 'limit', p_limit))
$$;

comment on function chat.oversized is 'too_large naming the field and its limit.';
