-- chat.text_refusal: checks a short text such as a title or a key.
--
-- Takes    p_field: its name; p_value: null is fine; p_most: characters allowed.
-- Returns  null, or a refusal when it is blank or too long.
create or replace function chat.text_refusal(p_field text, p_value text, p_most integer) returns jsonb
language plpgsql volatile
as $$
begin
    if p_value !~ '\S' then
        return chat.invalid(p_field, 'is blank');
    end if;
    if length(p_value) > p_most then
        return chat.oversized(p_field, p_most, 'characters');
    end if;
    return null;
end
$$;

comment on function chat.text_refusal is 'Null, or why a short text is refused.';
