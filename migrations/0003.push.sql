-- Where events wait for listeners.
-- depends: 0002.conversations

set local role parley_owner;

create unlogged table chat.outbox (
    xid               xid8 not null default pg_current_xact_id(),
    position          bigint not null generated always as identity,
    conversation_id   uuid,
    event             text not null,
    excluded_user_ids uuid[],
    desk_id           uuid,
    created_at        timestamptz not null default clock_timestamp(),
    constraint outbox_pkey primary key (xid, position)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

comment on table chat.outbox is 'Events for listeners, written by chat.publish in the transaction they tell of; trimmed by maintain().';
comment on column chat.outbox.xid is 'The writing transaction: a listener reads what became visible since its previous snapshot.';
comment on column chat.outbox.position is 'Order within the transaction.';
comment on column chat.outbox.conversation_id is 'Whose members get the event; null: it is for listeners alone.';
comment on column chat.outbox.event is 'The frame to send: the text of the jsonb that list_changes gives, handed on as it is.';
comment on column chat.outbox.excluded_user_ids is 'Members who get a skip instead.';
comment on column chat.outbox.desk_id is 'The tenant whose desk gets it, too: events of inbox conversations.';
comment on column chat.outbox.created_at is 'When it was written.';

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
