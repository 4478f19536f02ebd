-- Listeners: who reads the outbox. A writer rings the bell only for those that sleep.
create unlogged table chat.listeners (
    lock_key    integer not null generated always as identity,
    backend_pid integer not null,
    attached_at timestamptz not null default clock_timestamp(),
    fetched_at  timestamptz not null default clock_timestamp(),
    snapshot    pg_snapshot,
    awake_from  xid8,
    channel     text,
    constraint listeners_pkey primary key (lock_key)
);

comment on table chat.listeners is 'Who reads the outbox. A sleeping listener holds the advisory lock on its key exclusively.';
comment on column chat.listeners.lock_key is 'Second half of the advisory lock (class: chat.listener_lock_class()).';
comment on column chat.listeners.backend_pid is 'The backend that attached; gone: the row is stale.';
comment on column chat.listeners.attached_at is 'When.';
comment on column chat.listeners.fetched_at is 'When it last looked, to within a few seconds.';
comment on column chat.listeners.snapshot is 'It has everything that is visible in this; null: nothing yet.';
comment on column chat.listeners.awake_from is 'It does not sleep before all transactions older than this one have ended.';
comment on column chat.listeners.channel is 'Where it is rung with the event itself: a name that only it knows; null: it is rung without.';
