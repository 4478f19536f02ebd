-- Conversations and what belongs to them: members, the log, receipts.
-- depends: 0001.directory

set local role parley_owner;

create domain chat.amount as integer
    constraint amount_check check (value >= 0);
create domain chat.log_number as bigint
    constraint log_number_check check (value >= 0);
create domain chat.conversation_kind as text
    constraint conversation_kind_check check (value in ('direct', 'group', 'help', 'inbox', 'assistant'));
create domain chat.history_scope as text
    constraint history_scope_check check (value in ('all', 'joined'));
create domain chat.member_role as text
    constraint member_role_check check (value in ('owner', 'admin', 'member', 'contact', 'agent'));
create domain chat.notify_choice as text
    constraint notify_choice_check check (value in ('all', 'mentions', 'none'));
create domain chat.message_source as text
    constraint message_source_check check (value in ('person', 'contact', 'bot', 'automation', 'system'));
create domain chat.message_type as text
    constraint message_type_check check (value ~ '^[a-z][a-z0-9_.-]{0,31}$');
create domain chat.change_kind as text
    constraint change_kind_check check (value in (
        'message_edited', 'message_deleted', 'reaction_added', 'reaction_removed',
        'conversation_updated', 'conversation_closed', 'conversation_reopened'));

comment on domain chat.amount is 'How many of something; never less than none.';
comment on domain chat.log_number is 'A number of a conversation''s log, or how many messages it has; 0: before it.';
comment on domain chat.conversation_kind is 'Of conversations.kind: what sort of conversation it is.';
comment on domain chat.history_scope is 'Of conversations.history: what a new member sees of what was said before.';
comment on domain chat.member_role is 'Of members.role: what a member may do.';
comment on domain chat.notify_choice is 'Of members.notify: what to notify about.';
comment on domain chat.message_source is 'Of messages.source: what a message comes from.';
comment on domain chat.message_type is 'Of messages.type: a lower-case word.';
comment on domain chat.change_kind is 'Of changes.kind: what happened.';

create table chat.conversations (
    conversation_id uuid not null,
    tenant_id       uuid not null,
    kind            chat.conversation_kind not null,
    canonical_key   text,
    help_request_id uuid,
    title           text,
    metadata        chat.json_object not null default '{}',
    history         chat.history_scope not null default 'all',
    created_by      uuid not null,
    created_at      timestamptz not null default clock_timestamp(),
    closed_at       timestamptz,
    client_key      text,
    request_digest  bytea,
    last_seq        bigint not null default 0,
    message_count   bigint not null default 0,
    last_message_at timestamptz,
    member_count    chat.amount not null default 0,
    purged_seq      chat.log_number not null default 0,
    purged_count    chat.log_number not null default 0,
    constraint conversations_pkey primary key (conversation_id),
    constraint conversations_conversation_tenant_key unique (conversation_id, tenant_id),
    constraint conversations_tenant_canonical_key unique (tenant_id, canonical_key),
    constraint conversations_tenant_fkey foreign key (tenant_id) references chat.tenants (tenant_id),
    constraint conversations_help_request_fkey foreign key (tenant_id, help_request_id)
        references chat.help_requests (tenant_id, help_request_id),
    constraint conversations_key_check check (kind in ('group', 'assistant') or canonical_key is not null),
    constraint conversations_help_check check ((kind = 'help') = (help_request_id is not null)),
    constraint conversations_client_key_check check ((client_key is null) = (request_digest is null)),
    constraint conversations_log_check check (
        greatest(purged_seq, message_count) <= last_seq and purged_count <= message_count)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

create index conversations_help_request_idx on chat.conversations (tenant_id, help_request_id)
    where help_request_id is not null;

comment on table chat.conversations is
    'One row each, updated by every send: no index covers a column that a send changes, so updates stay on the page.';
comment on column chat.conversations.conversation_id is
    'Derived from (tenant, canonical_key) where there is a key, see chat.derived_id; else a uuid v7.';
comment on column chat.conversations.tenant_id is 'The tenant of all its members.';
comment on column chat.conversations.kind is 'direct | group | help | inbox | assistant.';
comment on column chat.conversations.canonical_key is
    'What it is about, once: direct:{lower id}:{higher id}, help:{request}:{helper}, group:{creator}:{client key}.';
comment on column chat.conversations.help_request_id is 'The request a help conversation is about.';
comment on column chat.conversations.title is 'Optional; for groups.';
comment on column chat.conversations.metadata is 'The application''s own fields.';
comment on column chat.conversations.history is 'all | joined: whether a new member sees what was said before.';
comment on column chat.conversations.created_by is 'Who created it.';
comment on column chat.conversations.created_at is 'When.';
comment on column chat.conversations.closed_at is 'Set: nothing can be said until it is reopened.';
comment on column chat.conversations.client_key is 'The creator''s key that makes creation retryable.';
comment on column chat.conversations.request_digest is 'SHA-256 of the creation''s arguments: tells a retry from a conflict.';
comment on column chat.conversations.last_seq is 'Length of the log: the number of the latest message or change.';
comment on column chat.conversations.message_count is 'Messages ever sent that are not system messages; the latest messages.ordinal.';
comment on column chat.conversations.last_message_at is 'When the latest message was sent; never goes back.';
comment on column chat.conversations.member_count is 'Active members.';
comment on column chat.conversations.purged_seq is 'The log is kept from the number after this.';
comment on column chat.conversations.purged_count is 'messages.ordinal at purged_seq.';

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

create table chat.messages (
    conversation_id   uuid not null,
    seq               bigint not null,
    id                uuid not null,
    sender_id         uuid,
    source            chat.message_source not null,
    type              chat.message_type not null,
    content           text,
    metadata          chat.json_object not null default '{}',
    reply_to_id       uuid,
    client_message_id text,
    ordinal           chat.log_number not null,
    reaction_count    chat.amount not null default 0,
    created_at        timestamptz not null,
    edited_at         timestamptz,
    deleted_at        timestamptz,
    constraint messages_pkey primary key (conversation_id, seq),
    constraint messages_conversation_id_key unique (conversation_id, id),
    constraint messages_conversation_fkey foreign key (conversation_id)
        references chat.conversations (conversation_id),
    constraint messages_sender_fkey foreign key (conversation_id, sender_id)
        references chat.members (conversation_id, user_id),
    constraint messages_reply_fkey foreign key (conversation_id, reply_to_id)
        references chat.messages (conversation_id, id) on delete set null (reply_to_id),
    constraint messages_system_check check ((sender_id is null) = all (array[source = 'system', type = 'system'])),
    constraint messages_content_check check (type <> 'text' or content is not null or deleted_at is not null),
    constraint messages_deleted_check check (deleted_at is null or (content is null and metadata = '{}' and reaction_count = 0)),
    constraint messages_number_check check (greatest(ordinal, 1) <= seq)
) with (autovacuum_vacuum_insert_scale_factor = 0.05);
create unique index messages_client_message_key on chat.messages (conversation_id, sender_id, client_message_id)
    where client_message_id is not null;
create index messages_reply_idx on chat.messages (conversation_id, reply_to_id) where reply_to_id is not null;
create index messages_deleted_idx on chat.messages (conversation_id, seq) where deleted_at is not null;
create index messages_content_idx on chat.messages using gin (to_tsvector('simple', content))
    where content is not null and source <> 'system';

comment on table chat.messages is 'What was said. Together with chat.changes it uses each number 1..last_seq of a conversation once.';
comment on column chat.messages.conversation_id is 'The conversation.';
comment on column chat.messages.seq is 'Its number in the conversation''s log: gapless, in commit order.';
comment on column chat.messages.id is 'uuid v7; unique within the conversation.';
comment on column chat.messages.sender_id is 'A member; null for system messages.';
comment on column chat.messages.source is 'person | contact | bot | automation | system.';
comment on column chat.messages.type is 'text, or a kind the application knows (image, file, ...). system cannot be sent.';
comment on column chat.messages.content is 'The text; null once deleted, and for types that need none.';
comment on column chat.messages.metadata is 'The application''s own fields; for system messages: event, actor_id, user_ids.';
comment on column chat.messages.reply_to_id is 'The message it answers, in the same conversation.';
comment on column chat.messages.client_message_id is 'The sender''s key that makes sending retryable.';
comment on column chat.messages.ordinal is 'How many messages that are not system messages the log holds up to this one: unread counts are differences.';
comment on column chat.messages.reaction_count is 'Rows in chat.reactions.';
comment on column chat.messages.created_at is 'When it was sent; within a conversation never before the previous one.';
comment on column chat.messages.edited_at is 'When it was last edited.';
comment on column chat.messages.deleted_at is 'When it was deleted; the row stays.';

create table chat.changes (
    conversation_id  uuid not null,
    seq              bigint not null,
    kind             chat.change_kind not null,
    message_id       uuid,
    actor_id         uuid,
    previous_content text,
    data             jsonb not null default '{}',
    created_at       timestamptz not null,
    constraint changes_pkey primary key (conversation_id, seq),
    constraint changes_conversation_fkey foreign key (conversation_id)
        references chat.conversations (conversation_id),
    constraint changes_message_fkey foreign key (conversation_id, message_id)
        references chat.messages (conversation_id, id) on delete set null (message_id),
    constraint changes_message_check check (message_id is null or kind not like 'conversation%'),
    constraint changes_seq_check check (seq > 0)
);
create index changes_message_idx on chat.changes (conversation_id, message_id) where message_id is not null;

comment on table chat.changes is 'What happened after a message was sent, one log number each, with what was there before.';
comment on column chat.changes.conversation_id is 'The conversation.';
comment on column chat.changes.seq is 'Its number in the conversation''s log.';
comment on column chat.changes.kind is 'message_edited | message_deleted | reaction_added | reaction_removed | conversation_updated | conversation_closed | conversation_reopened.';
comment on column chat.changes.message_id is 'The message; null for a change of the conversation, or once the message is purged.';
comment on column chat.changes.actor_id is 'Who did it; null once erased.';
comment on column chat.changes.previous_content is 'The content before an edit or deletion; null once erased.';
comment on column chat.changes.data is 'The emoji of a reaction; the previous title of an update.';
comment on column chat.changes.created_at is 'When.';

create table chat.reactions (
    conversation_id uuid not null,
    message_id      uuid not null,
    user_id         uuid not null,
    emoji           text not null,
    seq             bigint not null,
    constraint reactions_pkey primary key (conversation_id, message_id, user_id, emoji),
    constraint reactions_message_fkey foreign key (conversation_id, message_id)
        references chat.messages (conversation_id, id) on delete cascade,
    constraint reactions_member_fkey foreign key (conversation_id, user_id)
        references chat.members (conversation_id, user_id),
    constraint reactions_emoji_check check (length(emoji) between 1 and 32)
);

comment on table chat.reactions is 'Who reacts to which message with what, now.';
comment on column chat.reactions.conversation_id is 'The conversation.';
comment on column chat.reactions.message_id is 'The message.';
comment on column chat.reactions.user_id is 'Who reacted.';
comment on column chat.reactions.emoji is 'With what: 1 to 32 characters, no white space.';
comment on column chat.reactions.seq is 'Log number of the change that added it.';

create table chat.exclusions (
    conversation_id uuid not null,
    user_id         uuid not null,
    seq             bigint not null,
    constraint exclusions_pkey primary key (conversation_id, user_id, seq),
    constraint exclusions_message_fkey foreign key (conversation_id, seq)
        references chat.messages (conversation_id, seq) on delete cascade
);
create index exclusions_conversation_seq_idx on chat.exclusions (conversation_id, seq);

comment on table chat.exclusions is 'Who was not to see a message when it was sent (they had blocked its sender). Rare rows.';
comment on column chat.exclusions.conversation_id is 'The conversation.';
comment on column chat.exclusions.user_id is 'Who does not see the message.';
comment on column chat.exclusions.seq is 'The message''s log number.';

create table chat.receipts (
    conversation_id uuid not null,
    user_id         uuid not null,
    kind            text not null,
    seq             bigint not null,
    created_at      timestamptz not null,
    constraint receipts_pkey primary key (conversation_id, user_id, kind, seq),
    constraint receipts_member_fkey foreign key (conversation_id, user_id)
        references chat.members (conversation_id, user_id),
    constraint receipts_kind_check check (kind in ('delivered', 'read'))
);

comment on table chat.receipts is 'When a member''s watermark reached which number: the first row at or after a message tells when it was read.';
comment on column chat.receipts.conversation_id is 'The conversation.';
comment on column chat.receipts.user_id is 'The member.';
comment on column chat.receipts.kind is 'delivered | read; reading implies delivery.';
comment on column chat.receipts.seq is 'The number the watermark moved to.';
comment on column chat.receipts.created_at is 'When it moved.';
