-- chat.invalid: the refusal of one argument.
--
-- Takes    p_field: the argument's name without p_; p_problem: what is wrong with it.
-- Returns  validation_error with details.field.
create or replace function chat.invalid(p_field text, p_problem text) returns jsonb
language sql volatile
as $$
    select chat.fail('validation_error', p_field || ' ' || p_problem, jsonb_build_object('field', p_field))
$$;

comment on function chat.invalid is 'validation_error naming the field.';
