-- chat.metadata_refusal: checks metadata, whose rules are the same wherever it is given.
--
-- Returns  null, or a refusal when p_metadata is no object or larger than its limit. Null is fine: none given.
create or replace function chat.metadata_refusal(p_metadata jsonb) returns jsonb
language plpgsql volatile
as $$
declare
    v_most integer;
begin
    if p_metadata is null or p_metadata = '{}' then
        return null;
    end if;
    if jsonb_typeof(p_metadata) <> 'object' then
        return chat.invalid('metadata', 'must be an object');
    end if;
    select l.metadata_bytes into v_most from chat.limits l;
    if octet_length(p_metadata::text) > v_most then
        return chat.oversized('metadata', v_most, 'bytes');
    end if;
    return null;
end
$$;

comment on function chat.metadata_refusal is 'Null, or why metadata is refused.';
