-- Help requests: what an owner asks help for. Each helper gets one conversation about it.
create table chat.help_requests (
    help_request_id uuid not null,
    tenant_id       uuid not null,
    owner_id        uuid not null,
    title           text not null,
    metadata        chat.json_object not null default '{}',
    client_key      text,
    created_at      timestamptz not null default now(),
    closed_at       timestamptz,
    constraint help_requests_pkey primary key (help_request_id),
    constraint help_requests_tenant_request_key unique (tenant_id, help_request_id),
    constraint help_requests_owner_client_key unique (owner_id, client_key),
    constraint help_requests_owner_fkey foreign key (tenant_id, owner_id) references chat.users (tenant_id, user_id),
    constraint help_requests_title_check check (title <> '')
);

comment on table chat.help_requests is 'What an owner asks help for; each helper gets one conversation about it.';
comment on column chat.help_requests.help_request_id is 'Part of the canonical key of its conversations.';
comment on column chat.help_requests.tenant_id is 'The owner''s tenant.';
comment on column chat.help_requests.owner_id is 'Who needs help; a member of every conversation about it.';
comment on column chat.help_requests.title is 'What it is about.';
comment on column chat.help_requests.metadata is 'The application''s own fields.';
comment on column chat.help_requests.client_key is 'Makes creation retryable; unique per owner.';
comment on column chat.help_requests.created_at is 'When it was opened.';
comment on column chat.help_requests.closed_at is 'Set: no new conversation may start about it.';
