-- chat.identity_refusal: checks an identity that the desk tells of a contact.
--
-- Takes    p_kind, p_value; p_field: what the value came in, for the refusal; p_kind_field: what the kind came
--          in, null: the same.
-- Returns  null, or why it is none: of a kind nobody knows, empty, too long, or a phone that is not E.164.
-- Fails    validation_error, too_large
create or replace function chat.identity_refusal(
    p_kind       text,
    p_value      text,
    p_field      text,
    p_kind_field text default null
) returns jsonb
language plpgsql volatile
as $$
begin
    if p_kind is null or p_kind not in ('phone', 'wa_id', 'bsuid', 'parent_bsuid', 'lead') then
        return chat.invalid(coalesce(p_kind_field, p_field),
                            'must name phone, wa_id, bsuid, parent_bsuid or lead');
    end if;
    if coalesce(p_value, '') = '' then
        return chat.invalid(p_field, 'has no value');
    end if;
    if p_kind = 'phone' and p_value !~ '^\+[1-9][0-9]{4,14}$' then
        return chat.invalid(p_field, 'must be a number in E.164: + and digits');
    end if;
    return chat.text_refusal(p_field, p_value, (select l.key_characters from chat.limits l));
end
$$;

comment on function chat.identity_refusal is 'Null, or why this is no identity.';
