-- Contacts of outside networks: their threads, what comes from providers and what goes out to them.
-- depends: 0003.push

set local role parley_owner;

create domain chat.delivery_status as text
    constraint delivery_status_check check (value in ('queued', 'sent', 'failed', 'delivered', 'read', 'played'));

comment on domain chat.delivery_status is 'Of deliveries.status: how far a message got.';

create table chat.channels (
    channel_id   uuid not null,
    tenant_id    uuid not null,
    provider     text not null,
    address      text not null,
    display_name text not null,
    user_id      uuid not null,
    reply_window interval default '24 hours',
    created_at   timestamptz not null default clock_timestamp(),
    constraint channels_pkey primary key (channel_id),
    constraint channels_provider_address_key unique (provider, address),
    constraint channels_tenant_channel_key unique (tenant_id, channel_id),
    constraint channels_tenant_fkey foreign key (tenant_id) references chat.tenants (tenant_id),
    constraint channels_user_fkey foreign key (tenant_id, user_id) references chat.users (tenant_id, user_id),
    constraint channels_provider_check check (provider ~ '^[a-z][a-z0-9_]{0,31}$'),
    constraint channels_address_check check (address <> ''),
    constraint channels_display_name_check check (display_name <> ''),
    constraint channels_reply_window_check check (reply_window > interval '0')
);

comment on table chat.channels is 'Our end of an outside network; a provider''s events name it by its address.';
comment on column chat.channels.channel_id is 'The channel.';
comment on column chat.channels.tenant_id is 'Whose it is. A channel first seen in a provider''s event belongs to the default tenant.';
comment on column chat.channels.provider is 'whatsapp, twilio, ...: who carries the messages.';
comment on column chat.channels.address is 'The provider''s own id of it: WhatsApp''s phone_number_id, the number of a Twilio sender.';
comment on column chat.channels.display_name is 'For people.';
comment on column chat.channels.user_id is 'A bot that stands for the business where the provider names nobody: messages sent from its phone.';
comment on column chat.channels.reply_window is 'How long after a contact''s message anything may be answered; later only templates. Null: always.';
comment on column chat.channels.created_at is 'When it was first seen.';

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

create table chat.threads (
    conversation_id  uuid not null,
    tenant_id        uuid not null,
    contact_id       uuid not null,
    channel_id       uuid not null,
    assignee_id      uuid,
    last_inbound_at  timestamptz,
    last_inbound_seq chat.log_number not null default 0,
    last_activity_at timestamptz not null default clock_timestamp(),
    read_seq         chat.log_number not null default 0,
    last_read_at     timestamptz,
    constraint threads_pkey primary key (conversation_id),
    constraint threads_contact_key unique (contact_id),
    constraint threads_conversation_fkey foreign key (conversation_id, tenant_id)
        references chat.conversations (conversation_id, tenant_id),
    constraint threads_contact_fkey foreign key (tenant_id, contact_id) references chat.users (tenant_id, user_id),
    constraint threads_channel_fkey foreign key (tenant_id, channel_id) references chat.channels (tenant_id, channel_id),
    constraint threads_assignee_fkey foreign key (tenant_id, assignee_id) references chat.users (tenant_id, user_id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index threads_activity_idx on chat.threads (tenant_id, last_activity_at, conversation_id);
create index threads_unread_idx on chat.threads (tenant_id, last_activity_at, conversation_id)
    where last_inbound_seq > read_seq;
create index threads_assignee_idx on chat.threads (tenant_id, assignee_id, last_activity_at, conversation_id)
    where assignee_id is not null;

comment on table chat.threads is 'One row for each inbox conversation: whose it is, where answers go, how far the desk has read.';
comment on column chat.threads.conversation_id is 'The conversation, of kind inbox; its id derives from the contact.';
comment on column chat.threads.tenant_id is 'The tenant.';
comment on column chat.threads.contact_id is 'The contact it is with.';
comment on column chat.threads.channel_id is 'Where the contact wrote last: answers go out there.';
comment on column chat.threads.assignee_id is 'Who takes care of it; null: nobody in particular.';
comment on column chat.threads.last_inbound_at is 'When the contact last wrote, by the provider''s clock: the reply window opens there.';
comment on column chat.threads.last_inbound_seq is 'Log number of the contact''s latest message.';
comment on column chat.threads.last_activity_at is 'When something was last said, by either side.';
comment on column chat.threads.read_seq is 'The desk has read everything up to here. Never goes back, but for a merge that brings what nobody has read.';
comment on column chat.threads.last_read_at is 'When read_seq last moved.';

create table chat.provider_messages (
    channel_id          uuid not null,
    provider_message_id text not null,
    conversation_id     uuid not null,
    message_id          uuid,
    sent_at             timestamptz not null,
    edited_at           timestamptz,
    reacted_at          timestamptz,
    business_reacted_at timestamptz,
    is_awaited          boolean not null default false,
    constraint provider_messages_pkey primary key (channel_id, provider_message_id),
    constraint provider_messages_message_key unique (conversation_id, message_id),
    constraint provider_messages_channel_fkey foreign key (channel_id) references chat.channels (channel_id),
    constraint provider_messages_message_fkey foreign key (conversation_id, message_id)
        references chat.messages (conversation_id, id) on delete set null (message_id),
    constraint provider_messages_id_check check (provider_message_id <> '')
);

comment on table chat.provider_messages is 'The id a provider gave a message, in either direction; unique on its channel.';
comment on column chat.provider_messages.channel_id is 'The channel.';
comment on column chat.provider_messages.provider_message_id is 'The provider''s id (wamid, SID).';
comment on column chat.provider_messages.conversation_id is 'The conversation.';
comment on column chat.provider_messages.message_id is 'The message; null once it is purged: a replay is still one.';
comment on column chat.provider_messages.sent_at is 'When it was sent, by the provider''s clock.';
comment on column chat.provider_messages.edited_at is 'The provider''s time of the latest edit applied: an older one that comes later changes nothing.';
comment on column chat.provider_messages.reacted_at is 'The same for the contact''s reactions.';
comment on column chat.provider_messages.business_reacted_at is 'The same for reactions from the business''s own phone.';
comment on column chat.provider_messages.is_awaited is 'An edit came before its message: what was said at first is still to come.';

create table chat.parked_events (
    channel_id          uuid not null,
    provider_message_id text not null,
    digest              bytea not null,
    event               jsonb not null,
    parked_at           timestamptz not null default clock_timestamp(),
    constraint parked_events_pkey primary key (channel_id, provider_message_id, digest),
    constraint parked_events_channel_fkey foreign key (channel_id) references chat.channels (channel_id)
);
create index parked_events_parked_idx on chat.parked_events (parked_at);

comment on table chat.parked_events is 'Statuses, reactions and revocations of a message that has not come yet; applied when it comes.';
comment on column chat.parked_events.channel_id is 'The channel.';
comment on column chat.parked_events.provider_message_id is 'The message they wait for.';
comment on column chat.parked_events.digest is 'SHA-256 of the event: the same one is parked once.';
comment on column chat.parked_events.event is 'The event, as chat.receive_event takes it.';
comment on column chat.parked_events.parked_at is 'When it came.';

create table chat.webhooks (
    digest       bytea not null,
    provider     text not null,
    payload      text not null,
    received_at  timestamptz not null default clock_timestamp(),
    processed_at timestamptz,
    problem      text,
    constraint webhooks_pkey primary key (digest)
) with (autovacuum_vacuum_insert_scale_factor = 0.05);
create index webhooks_received_idx on chat.webhooks (received_at);
create index webhooks_pending_idx on chat.webhooks (received_at) where processed_at is null;

comment on table chat.webhooks is 'What providers sent, word for word; kept for chat.limits.webhook_retention.';
comment on column chat.webhooks.digest is 'SHA-256 of provider and payload: a repetition is recognised by it.';
comment on column chat.webhooks.provider is 'Who sent it.';
comment on column chat.webhooks.payload is 'The request''s body as it came.';
comment on column chat.webhooks.received_at is 'When it first came.';
comment on column chat.webhooks.processed_at is 'When all that is in it was taken in; null: it could not be, see problem.';
comment on column chat.webhooks.problem is 'What went wrong: an error id found in the logs.';

create table chat.deliveries (
    conversation_id uuid not null,
    message_id      uuid not null,
    channel_id      uuid not null,
    status          chat.delivery_status not null default 'queued',
    attempts        chat.amount not null default 0,
    lease           uuid,
    worker          text,
    due_at          timestamptz not null default clock_timestamp(),
    attempted_at    timestamptz,
    sent_at         timestamptz,
    delivered_at    timestamptz,
    read_at         timestamptz,
    played_at       timestamptz,
    failed_at       timestamptz,
    error           chat.json_object,
    constraint deliveries_pkey primary key (conversation_id, message_id),
    constraint deliveries_message_fkey foreign key (conversation_id, message_id)
        references chat.messages (conversation_id, id) on delete cascade,
    constraint deliveries_channel_fkey foreign key (channel_id) references chat.channels (channel_id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index deliveries_due_idx on chat.deliveries (due_at) where status = 'queued';
create index deliveries_queue_idx on chat.deliveries (conversation_id, message_id) where status = 'queued';

comment on table chat.deliveries is 'What must go out to a provider, and how it fared: one row for each outgoing message.';
comment on column chat.deliveries.conversation_id is 'The conversation.';
comment on column chat.deliveries.message_id is 'The message; a uuid v7, so a conversation''s deliveries are in order by it.';
comment on column chat.deliveries.channel_id is 'Where it goes out.';
comment on column chat.deliveries.status is
    'queued < sent < failed < delivered < read < played: the highest that was ever reported, in whatever order.';
comment on column chat.deliveries.attempts is 'How often a worker took it.';
comment on column chat.deliveries.lease is 'Of the worker that took it last.';
comment on column chat.deliveries.worker is 'Who took it last: a name for people.';
comment on column chat.deliveries.due_at is
    'When a worker may take it: at once, after a back-off, or, when it was taken, once the provider has had time to tell of it.';
comment on column chat.deliveries.attempted_at is 'When a worker last took it.';
comment on column chat.deliveries.sent_at is 'When the provider took it, by its clock where it told; the same for the times below.';
comment on column chat.deliveries.delivered_at is 'When it reached the contact.';
comment on column chat.deliveries.read_at is 'When the contact read it.';
comment on column chat.deliveries.played_at is 'When the contact played it.';
comment on column chat.deliveries.failed_at is 'When it was given up, by us or the provider.';
comment on column chat.deliveries.error is 'Why it failed or has to be tried again: code, title, message, and what else the provider said.';

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

create table chat.desk_agents (
    tenant_id uuid not null,
    user_id   uuid not null,
    constraint desk_agents_pkey primary key (tenant_id, user_id),
    constraint desk_agents_user_fkey foreign key (tenant_id, user_id) references chat.users (tenant_id, user_id)
);

comment on table chat.desk_agents is 'Who works at the desk of a tenant whose desk is ''agents''.';
comment on column chat.desk_agents.tenant_id is 'The tenant.';
comment on column chat.desk_agents.user_id is 'The person or bot.';
