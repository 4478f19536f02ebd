-- Limits: every size a caller can run into, in one row, changed by an operator with one update.
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
    sessions_per_user     integer not null default 100,
    runs_per_minute       integer not null default 600,
    run_attempts          integer not null default 3,
    run_history           integer not null default 100,
    answer_characters     integer not null default 100000,
    item_bytes            integer not null default 262144,
    session_lifetime      interval not null default '24 hours',
    run_lease             interval not null default '30 seconds',
    run_timeout           interval not null default '5 minutes',
    run_expiry            interval not null default '15 minutes',
    constraint limits_pkey primary key (only_row),
    constraint limits_only_row_check check (only_row),
    constraint limits_positive_check check (
        least(content_characters, metadata_bytes, title_characters, name_characters, key_characters,
              members_per_addition, messages_per_batch, page_size, query_characters, reactions_per_message,
              changes_gap, listener_backlog, webhooks_per_batch, delivery_attempts) > 0
        and least(outbox_retention, delivery_lease, webhook_retention) > interval '0'),
    constraint limits_assistant_check check (
        least(sessions_per_user, runs_per_minute, run_attempts, run_history, answer_characters, item_bytes) > 0
        and least(session_lifetime, run_lease, run_timeout, run_expiry) > interval '0')
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
comment on column chat.limits.sessions_per_user is 'Most sessions of one user that are neither over nor cancelled.';
comment on column chat.limits.runs_per_minute is 'Most runs a session begins within a minute, unless its creator says otherwise.';
comment on column chat.limits.run_attempts is 'How often a run is given to a worker before it fails.';
comment on column chat.limits.run_history is 'Most messages a responder is given to read.';
comment on column chat.limits.answer_characters is 'Longest answer of a responder, in characters.';
comment on column chat.limits.item_bytes is 'Largest ChatKit thread, item or attachment, in bytes of its JSON text.';
comment on column chat.limits.session_lifetime is 'How long a session lasts, unless its creator says otherwise.';
comment on column chat.limits.run_lease is 'How long a run stays with a worker that is not heard of.';
comment on column chat.limits.run_timeout is 'How long a responder may take for an answer.';
comment on column chat.limits.run_expiry is 'How long an answer is wanted, from when it was asked for.';
