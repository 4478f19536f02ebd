-- Changes: what happened to a message or conversation afterwards. History, audit and sync log in one.
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
