-- Conversations: one row each, narrow and hot. last_seq is the length of its log.
create table chat.conversations (
    conversation_id uuid not null,
    tenant_id       uuid not null,
    kind            chat.conversation_kind not null,
    canonical_key   text,
    help_request_id uuid,
    title           text,
    metadata        chat.json_object not null default '{}',
    history         chat.history_scope not null default 'all',
    created_by      uuid not null,
    created_at      timestamptz not null default clock_timestamp(),
    closed_at       timestamptz,
    client_key      text,
    request_digest  bytea,
    last_seq        bigint not null default 0,
    message_count   bigint not null default 0,
    last_message_at timestamptz,
    member_count    chat.amount not null default 0,
    purged_seq      chat.log_number not null default 0,
    purged_count    chat.log_number not null default 0,
    constraint conversations_pkey primary key (conversation_id),
    constraint conversations_conversation_tenant_key unique (conversation_id, tenant_id),
    constraint conversations_tenant_canonical_key unique (tenant_id, canonical_key),
    constraint conversations_tenant_fkey foreign key (tenant_id) references chat.tenants (tenant_id),
    constraint conversations_help_request_fkey foreign key (tenant_id, help_request_id)
        references chat.help_requests (tenant_id, help_request_id),
    constraint conversations_key_check check (kind in ('group', 'assistant') or canonical_key is not null),
    constraint conversations_help_check check ((kind = 'help') = (help_request_id is not null)),
    constraint conversations_client_key_check check ((client_key is null) = (request_digest is null)),
    constraint conversations_log_check check (
        greatest(purged_seq, message_count) <= last_seq and purged_count <= message_count)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

create index conversations_help_request_idx on chat.conversations (tenant_id, help_request_id)
    where help_request_id is not null;

comment on table chat.conversations is
    'One row each, updated by every send: no index covers a column that a send changes, so updates stay on the page.';
comment on column chat.conversations.conversation_id is
    'Derived from (tenant, canonical_key) where there is a key, see chat.derived_id; else a uuid v7.';
comment on column chat.conversations.tenant_id is 'The tenant of all its members.';
comment on column chat.conversations.kind is 'direct | group | help | inbox | assistant.';
comment on column chat.conversations.canonical_key is
    'What it is about, once: direct:{lower id}:{higher id}, help:{request}:{helper}, group:{creator}:{client key}.';
comment on column chat.conversations.help_request_id is 'The request a help conversation is about.';
comment on column chat.conversations.title is 'Optional; for groups.';
comment on column chat.conversations.metadata is 'The application''s own fields.';
comment on column chat.conversations.history is 'all | joined: whether a new member sees what was said before.';
comment on column chat.conversations.created_by is 'Who created it.';
comment on column chat.conversations.created_at is 'When.';
comment on column chat.conversations.closed_at is 'Set: nothing can be said until it is reopened.';
comment on column chat.conversations.client_key is 'The creator''s key that makes creation retryable.';
comment on column chat.conversations.request_digest is 'SHA-256 of the creation''s arguments: tells a retry from a conflict.';
comment on column chat.conversations.last_seq is 'Length of the log: the number of the latest message or change.';
comment on column chat.conversations.message_count is 'Messages ever sent that are not system messages; the latest messages.ordinal.';
comment on column chat.conversations.last_message_at is 'When the latest message was sent; never goes back.';
comment on column chat.conversations.member_count is 'Active members.';
comment on column chat.conversations.purged_seq is 'The log is kept from the number after this.';
comment on column chat.conversations.purged_count is 'messages.ordinal at purged_seq.';
