-- Users: whoever can act or be written to. A user belongs to one tenant for good.
create table chat.users (
    user_id        uuid not null,
    tenant_id      uuid not null,
    kind           text not null default 'person',
    display_name   text not null,
    external_id    text,
    email          text,
    created_at     timestamptz not null default clock_timestamp(),
    updated_at     timestamptz not null default clock_timestamp(),
    deactivated_at timestamptz,
    erased_at      timestamptz,
    constraint users_pkey primary key (user_id),
    constraint users_tenant_user_key unique (tenant_id, user_id),
    constraint users_tenant_external_key unique (tenant_id, external_id),
    constraint users_tenant_fkey foreign key (tenant_id) references chat.tenants (tenant_id),
    constraint users_kind_check check (kind in ('person', 'bot', 'contact')),
    constraint users_display_name_check check (display_name <> ''),
    constraint users_erased_check check (
        erased_at is null or (deactivated_at is not null and external_id is null and email is null))
);

comment on table chat.users is 'Whoever can act or be written to: people, bots, contacts of a channel.';
comment on column chat.users.user_id is 'The subject of the user''s tokens.';
comment on column chat.users.tenant_id is 'Where the user belongs; never changes.';
comment on column chat.users.kind is 'person | bot | contact.';
comment on column chat.users.display_name is 'Shown beside messages.';
comment on column chat.users.external_id is 'The id in the system users come from; unique in a tenant.';
comment on column chat.users.email is 'For people and notifications; never an identity.';
comment on column chat.users.created_at is 'When the user was first seen.';
comment on column chat.users.updated_at is 'When a field last changed.';
comment on column chat.users.deactivated_at is 'Set: may not act and is in no group. upsert_user_atomic brings them back.';
comment on column chat.users.erased_at is 'Set by erase_user_atomic; an erased user stays erased.';
