-- chat.contact_json: a contact as the desk sees them: id, display_name, identities (those that are still theirs).
create or replace function chat.contact_json(p_contact chat.users) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'id', p_contact.user_id,
        'display_name', p_contact.display_name,
        'identities', coalesce((
            select jsonb_agg(jsonb_build_object('kind', i.kind, 'value', i.value) order by i.kind, i.value)
              from chat.contact_identities i
             where i.tenant_id = p_contact.tenant_id and i.contact_id = p_contact.user_id
               and i.retired_at is null), '[]'))
$$;

comment on function chat.contact_json is 'A contact as the desk sees them.';
