-- chat.is_whole: whether a JSON value is a whole number from 1 to p_most.
create or replace function chat.is_whole(p_value jsonb, p_most integer) returns boolean
language sql immutable
as $$
    select coalesce(case when jsonb_typeof(p_value) = 'number'
                         then p_value::numeric between 1 and p_most and p_value::numeric % 1 = 0 end, false)
$$;

comment on function chat.is_whole is 'Whether a JSON value is a whole number from 1 to a limit.';
