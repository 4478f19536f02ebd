-- Messages: the part of the log that people read. A message's number never changes.
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
