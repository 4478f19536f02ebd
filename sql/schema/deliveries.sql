-- Deliveries: what must go out to a provider, and how it fared. One row for each message of ours in an inbox
-- conversation; at once the queue and the record.
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
