-- Parked events: what refers to a message that has not come yet. Providers promise no order.
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
