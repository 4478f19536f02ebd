-- chat.service_refusal: for functions that act on no one's behalf and belong to services alone.
--
-- Returns  null for a trusted caller without a token's sub, else the refusal. Grants say the same; this
--          holds where someone granted too much, or a person's token reaches a service connection.
-- Fails    permission_denied
create or replace function chat.service_refusal() returns jsonb
language plpgsql volatile
as $$
begin
    if chat.is_service() then
        return null;
    end if;
    return chat.fail('permission_denied', 'only a service may do that');
end
$$;

comment on function chat.service_refusal is 'Null for a trusted service, else permission_denied.';
