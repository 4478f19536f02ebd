-- chat.is_identities: whether something is an object of what leads to a contact, kind to value, of the kinds that
-- providers know. Null is fine: none given.
create or replace function chat.is_identities(p_identities jsonb) returns boolean
language plpgsql stable
as $$
begin
    if jsonb_typeof(p_identities) <> 'object' then
        return false;
    end if;
    return not exists (
        select from jsonb_each(p_identities) g (kind, value)
         where g.kind not in ('phone', 'wa_id', 'bsuid', 'parent_bsuid')
            or jsonb_typeof(g.value) <> 'string' or g.value = '""' or octet_length(g.value::text) > 1000
            or g.kind = 'phone' and g.value #>> '{}' !~ '^\+[1-9][0-9]{4,14}$');
end
$$;

comment on function chat.is_identities is 'Whether something is an object of identities: kind to value.';
