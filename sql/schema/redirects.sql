-- Redirects: where a conversation or contact went that was merged into another.
create table chat.redirects (
    old_id     uuid not null,
    tenant_id  uuid not null,
    kind       text not null,
    new_id     uuid not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint redirects_pkey primary key (old_id),
    constraint redirects_tenant_fkey foreign key (tenant_id) references chat.tenants (tenant_id),
    constraint redirects_kind_check check (kind in ('conversation', 'contact')),
    constraint redirects_new_check check (new_id <> old_id)
);
create index redirects_new_idx on chat.redirects (new_id);

comment on table chat.redirects is 'Ids of what was merged away. They point at what is there now: a later merge moves them along.';
comment on column chat.redirects.old_id is 'The id that is gone.';
comment on column chat.redirects.tenant_id is 'Its tenant.';
comment on column chat.redirects.kind is 'conversation | contact.';
comment on column chat.redirects.new_id is 'What it became.';
comment on column chat.redirects.created_at is 'When.';
