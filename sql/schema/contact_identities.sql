-- Contact identities: by what a contact is known outside. A contact is a user of kind contact.
create table chat.contact_identities (
    tenant_id  uuid not null,
    kind       text not null,
    value      text not null,
    contact_id uuid not null,
    learned_at timestamptz not null,
    retired_at timestamptz,
    constraint contact_identities_pkey primary key (tenant_id, kind, value),
    constraint contact_identities_contact_fkey foreign key (tenant_id, contact_id)
        references chat.users (tenant_id, user_id),
    constraint contact_identities_kind_check check (kind in ('phone', 'wa_id', 'bsuid', 'parent_bsuid', 'lead')),
    constraint contact_identities_value_check check (value <> ''),
    constraint contact_identities_phone_check check (kind <> 'phone' or value ~ '^\+[1-9][0-9]{4,14}$')
);
create index contact_identities_contact_idx on chat.contact_identities (contact_id);

comment on table chat.contact_identities is 'What leads to a contact: each value to one contact of a tenant. A phone is one of them, not the contact.';
comment on column chat.contact_identities.tenant_id is 'The tenant.';
comment on column chat.contact_identities.kind is
    'phone (E.164) | wa_id (WhatsApp''s number, as it came) | bsuid, parent_bsuid (business-scoped user ids) | lead.';
comment on column chat.contact_identities.value is 'The value.';
comment on column chat.contact_identities.contact_id is 'Whose it is.';
comment on column chat.contact_identities.learned_at is 'When it was first seen.';
comment on column chat.contact_identities.retired_at is
    'The provider''s time of a change of number: what was sent before it is the contact''s, what comes later somebody else''s.';
