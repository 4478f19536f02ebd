-- Threads: what the desk knows about an inbox conversation; one of each contact.
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
    taken_over_at    timestamptz,
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
comment on column chat.threads.taken_over_at is 'When a person took over from the bot that answers; null: nobody has.';
