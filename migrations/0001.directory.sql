-- Schemas, the limits, and the directory: tenants, users, blocks, help requests, feature flags.

create schema if not exists chat authorization parley_owner;
create schema if not exists api authorization parley_owner;

set local role parley_owner;

comment on schema chat is 'Parley: tables and private helpers. Only api functions and operators reach it.';
comment on schema api is 'Parley: the functions callers use. See api.error_codes for what they may answer.';

create domain chat.json_object as jsonb
    constraint json_object_check check (jsonb_typeof(value) = 'object');

comment on domain chat.json_object is 'A JSON object: metadata, and what else is one.';

create table chat.limits (
    only_row              boolean not null default true,
    content_characters    integer not null default 16000,
    metadata_bytes        integer not null default 8192,
    title_characters      integer not null default 200,
    name_characters       integer not null default 200,
    key_characters        integer not null default 200,
    members_per_addition  integer not null default 1000,
    messages_per_batch    integer not null default 100,
    page_size             integer not null default 100,
    query_characters      integer not null default 1000,
    reactions_per_message integer not null default 100,
    changes_gap           integer not null default 10000,
    listener_backlog      integer not null default 10000,
    webhooks_per_batch    integer not null default 100,
    delivery_attempts     integer not null default 10,
    outbox_retention      interval not null default '10 minutes',
    delivery_lease        interval not null default '2 minutes',
    webhook_retention     interval not null default '30 days',
    constraint limits_pkey primary key (only_row),
    constraint limits_only_row_check check (only_row),
    constraint limits_positive_check check (
        least(content_characters, metadata_bytes, title_characters, name_characters, key_characters,
              members_per_addition, messages_per_batch, page_size, query_characters, reactions_per_message,
              changes_gap, listener_backlog, webhooks_per_batch, delivery_attempts) > 0
        and least(outbox_retention, delivery_lease, webhook_retention) > interval '0')
);

insert into chat.limits default values;

comment on table chat.limits is 'The sizes a caller may not exceed: one row, told in every refusal, changed with one update.';
comment on column chat.limits.only_row is 'Keeps this a one-row table.';
comment on column chat.limits.content_characters is 'Longest message content, in characters.';
comment on column chat.limits.metadata_bytes is 'Largest metadata, in bytes of its JSON text.';
comment on column chat.limits.title_characters is 'Longest title of a conversation or help request, in characters.';
comment on column chat.limits.name_characters is 'Longest display name, external id or e-mail address, in characters.';
comment on column chat.limits.key_characters is 'Longest client key or client message id, in characters.';
comment on column chat.limits.members_per_addition is 'Most members in one addition or creation.';
comment on column chat.limits.messages_per_batch is 'Most messages in one send_messages_atomic.';
comment on column chat.limits.page_size is 'Most rows in one page of a list.';
comment on column chat.limits.query_characters is 'Longest search query, in characters.';
comment on column chat.limits.reactions_per_message is 'Most reactions one message carries.';
comment on column chat.limits.changes_gap is 'Most log numbers list_changes bridges before it answers reset.';
comment on column chat.limits.listener_backlog is 'Most events a listener is given at once; with more it resumes from the log.';
comment on column chat.limits.outbox_retention is 'How long events are kept for a listener that does not look; at least a minute, as sleepers look every half one.';
comment on column chat.limits.webhooks_per_batch is 'Most webhooks in one receive_webhooks_atomic.';
comment on column chat.limits.delivery_attempts is 'How often a delivery is tried before it is given up.';
comment on column chat.limits.delivery_lease is
    'How long a delivery whose answer is missing waits for the provider''s status before it is tried again.';
comment on column chat.limits.webhook_retention is 'How long providers'' payloads, and events that wait for a message, are kept.';

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

create table chat.users (
    user_id        uuid not null,
    tenant_id      uuid not null,
    kind           text not null default 'person',
    display_name   text not null,
    external_id    text,
    email          text,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
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

create table chat.blocks (
    blocker_id uuid not null,
    blocked_id uuid not null,
    created_at timestamptz not null default now(),
    constraint blocks_pkey primary key (blocker_id, blocked_id),
    constraint blocks_blocker_fkey foreign key (blocker_id) references chat.users (user_id),
    constraint blocks_blocked_fkey foreign key (blocked_id) references chat.users (user_id),
    constraint blocks_other_check check (blocker_id <> blocked_id)
);
create index blocks_blocked_blocker_idx on chat.blocks (blocked_id, blocker_id);

comment on table chat.blocks is 'Who does not want to hear from whom. Looked up by the blocked on every send.';
comment on column chat.blocks.blocker_id is 'Who blocked.';
comment on column chat.blocks.blocked_id is 'Who is blocked.';
comment on column chat.blocks.created_at is 'Since when; earlier messages stay visible.';

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

create table chat.feature_flags (
    flag            text not null,
    enabled         boolean not null,
    rollout_percent integer not null default 100,
    updated_at      timestamptz not null default now(),
    constraint feature_flags_pkey primary key (flag),
    constraint feature_flags_flag_check check (flag ~ '^[a-z][a-z0-9_.-]{0,63}$'),
    constraint feature_flags_percent_check check (rollout_percent between 0 and 100)
);

comment on table chat.feature_flags is 'Switches, each with the share of users it is on for.';
comment on column chat.feature_flags.flag is 'The name programs ask for.';
comment on column chat.feature_flags.enabled is 'Off for everybody when false.';
comment on column chat.feature_flags.rollout_percent is 'On for users whose bucket (0..99, fixed per flag and user) is below it.';
comment on column chat.feature_flags.updated_at is 'When it was last set.';
