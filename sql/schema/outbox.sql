-- Outbox: events on their way to listeners. Unlogged: a crash empties it, and sockets resume from the log.
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
