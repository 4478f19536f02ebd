-- chat.is_identities: whether something is an object of what leads to a contact, kind to value, of the kinds that
-- providers know. Null is fine: none given.
create or replace function chat.is_identities(p_identities jsonb) returns boolean
language plpgsql immutable
as $$
declare
    v_kind  text;
    v_value jsonb;
begin
    if p_identities is null then
        return true;
    end if;
    if jsonb_typeof(p_identities) <> 'object'
       or p_identities - '{phone,wa_id,bsuid,parent_bsuid}'::text[] <> '{}' then
        return false;
    end if;
    foreach v_kind in array '{phone,wa_id,bsuid,parent_bsuid}'::text[]
    loop
        v_value := p_identities -> v_kind;
        if v_value is null then
            continue;
        end if;
        if jsonb_typeof(v_value) <> 'string' or v_value = '""' or octet_length(v_value::text) > 1000
           or v_kind = 'phone' and v_value #>> '{}' !~ '^\+[1-9][0-9]{4,14}$' then
            return false;
        end if;
    end loop;
    return true;
end
$$;

comment on function chat.is_identities is 'Whether something is an object of identities: kind to value.';
