-- Tenants: customers that share a database and never see each other.
create table chat.tenants (
    tenant_id  uuid not null,
    name       text not null,
    created_at timestamptz not null default now(),
    desk       text not null default 'everyone',
    constraint tenants_pkey primary key (tenant_id),
    constraint tenants_name_check check (name <> ''),
    constraint tenants_desk_check check (desk in ('everyone', 'agents'))
);

insert into chat.tenants (tenant_id, name) values ('00000000-0000-0000-0000-000000000000', 'default');

comment on table chat.tenants is 'Customers that share this database and never see each other.';
comment on column chat.tenants.tenant_id is 'The nil uuid is the default tenant.';
comment on column chat.tenants.name is 'For people; not unique.';
comment on column chat.tenants.created_at is 'When the tenant was made.';
comment on column chat.tenants.desk is
    'everyone | agents: who reads and answers the inbox, all people and bots of the tenant or those in chat.desk_agents.';
