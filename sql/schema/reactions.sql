-- Reactions: the current ones. Their history is in chat.changes.
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
