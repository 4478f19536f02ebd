-- Webhooks: what providers sent, word for word, kept before anything is made of it.
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
