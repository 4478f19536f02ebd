-- Members: who is, or was, in a conversation, and how far they have read. One row for good: someone
-- who comes back gets a new joined_seq.
create table chat.members (
    conversation_id    uuid not null,
    user_id            uuid not null,
    tenant_id          uuid not null,
    role               chat.member_role not null default 'member',
    joined_seq         chat.log_number not null,
    left_seq           bigint,
    delivered_seq      bigint not null,
    read_seq           bigint not null,
    last_read_at       timestamptz,
    sent_count         bigint not null default 0,
    sent_count_at_read chat.log_number not null default 0,
    notify             chat.notify_choice not null default 'all',
    muted_until        timestamptz,
    joined_at          timestamptz not null default clock_timestamp(),
    constraint members_pkey primary key (conversation_id, user_id),
    constraint members_conversation_fkey foreign key (conversation_id, tenant_id)
        references chat.conversations (conversation_id, tenant_id),
    constraint members_user_fkey foreign key (tenant_id, user_id) references chat.users (tenant_id, user_id),
    constraint members_watermarks_check check (read_seq >= joined_seq and read_seq <= delivered_seq),
    constraint members_left_check check (left_seq > joined_seq),
    constraint members_sent_check check (sent_count_at_read <= sent_count)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index members_user_conversation_idx on chat.members (user_id, conversation_id) where left_seq is null;

comment on table chat.members is 'Who is, or was, in a conversation, with what role, and how far they have received and read.';
comment on column chat.members.conversation_id is 'The conversation.';
comment on column chat.members.user_id is 'The member.';
comment on column chat.members.tenant_id is 'Ties conversation and user to one tenant.';
comment on column chat.members.role is
    'owner | admin | member; in an inbox contact | agent. A group with members has an owner.';
comment on column chat.members.joined_seq is 'Log number of the system message that told of joining; 0: there from the creation.';
comment on column chat.members.left_seq is 'Log number of the system message that told of leaving; null: active.';
comment on column chat.members.delivered_seq is 'Everything up to here has reached a device of the member. Never goes back.';
comment on column chat.members.read_seq is 'Everything up to here has been read. Never goes back.';
comment on column chat.members.last_read_at is 'When read_seq last moved.';
comment on column chat.members.sent_count is 'Messages the member has sent here.';
comment on column chat.members.sent_count_at_read is 'How many of them are at or before read_seq.';
comment on column chat.members.notify is 'all | mentions | none: what to notify about.';
comment on column chat.members.muted_until is 'No notifications before this time.';
comment on column chat.members.joined_at is 'When the current membership began.';
