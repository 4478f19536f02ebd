-- chat.object_refusal: checks an argument that must be a JSON object of limited size.
--
-- Takes    p_field: its name; p_value: null is fine; p_most: bytes of its JSON text allowed.
-- Returns  null, or a refusal.
create or replace function chat.object_refusal(p_field text, p_value jsonb, p_most integer) returns jsonb
language plpgsql volatile
as $$
begin
    if jsonb_typeof(p_value) <> 'object' then
        return chat.invalid(p_field, 'must be an object');
    end if;
    if octet_length(p_value::text) > p_most then
        return chat.oversized(p_field, p_most, 'bytes');
    end if;
    return null;
end
$$;

comment on function chat.object_refusal is 'Null, or why a JSON object is refused.';
