-- chat.configuration_refusal: checks what is given along for a responder.
--
-- Returns  null, or a refusal when p_configuration is no object or larger than metadata may be.
-- Fails    validation_error, too_large
create or replace function chat.configuration_refusal(p_configuration jsonb) returns jsonb
language plpgsql volatile
as $$
declare
    v_most integer := (select l.metadata_bytes from chat.limits l);
begin
    if jsonb_typeof(p_configuration) <> 'object' then
        return chat.invalid('configuration', 'must be an object');
    end if;
    if octet_length(p_configuration::text) > v_most then
        return chat.oversized('configuration', v_most, 'bytes');
    end if;
    return null;
end
$$;

comment on function chat.configuration_refusal is 'Null, or why what is given along for a responder is refused.';
