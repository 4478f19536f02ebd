-- Desk agents: who answers a tenant's inbox, where tenants.desk does not open it to everyone.
create table chat.desk_agents (
    tenant_id uuid not null,
    user_id   uuid not null,
    constraint desk_agents_pkey primary key (tenant_id, user_id),
    constraint desk_agents_user_fkey foreign key (tenant_id, user_id) references chat.users (tenant_id, user_id)
);

comment on table chat.desk_agents is 'Who works at the desk of a tenant whose desk is ''agents''.';
comment on column chat.desk_agents.tenant_id is 'The tenant.';
comment on column chat.desk_agents.user_id is 'The person or bot.';
