-- chat.member_ids_refusal: checks a list of members, whose rules are the same wherever it is given.
--
-- Returns  null, or a refusal when it is too long, holds a null or is a list of lists. Null is fine: none given.
create or replace function chat.member_ids_refusal(p_member_ids uuid[]) returns jsonb
language plpgsql volatile
as $$
declare
    v_most integer := (select l.members_per_addition from chat.limits l);
begin
    if cardinality(p_member_ids) > v_most then
        return chat.oversized('member_ids', v_most, 'members');
    end if;
    if array_ndims(p_member_ids) > 1 then
        return chat.invalid('member_ids', 'must be a plain list');
    end if;
    if array_position(p_member_ids, null) is not null then
        return chat.invalid('member_ids', 'holds a null');
    end if;
    return null;
end
$$;

comment on function chat.member_ids_refusal is 'Null, or why a list of members is refused.';
