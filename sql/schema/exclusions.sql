-- Exclusions: who was not to see a message when it was sent, because they had blocked its sender.
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
