-- chat.resolved_contact: what a contact's id leads to now: itself, or the contact it was merged into.
create or replace function chat.resolved_contact(p_contact_id uuid) returns uuid
language sql stable
as $$
    select coalesce((select r.new_id
                       from chat.redirects r
                      where r.old_id = p_contact_id and r.kind = 'contact'), p_contact_id)
$$;

comment on function chat.resolved_contact is 'A contact''s id, or that of the contact it was merged into.';
