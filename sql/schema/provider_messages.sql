-- Provider messages: by what id a provider knows a message. Taking an id is what makes receiving happen once.
create table chat.provider_messages (
    channel_id          uuid not null,
    provider_message_id text not null,
    conversation_id     uuid not null,
    message_id          uuid,
    sent_at             timestamptz not null,
    edited_at           timestamptz,
    reacted_at          timestamptz,
    business_reacted_at timestamptz,
    is_awaited          boolean not null default false,
    constraint provider_messages_pkey primary key (channel_id, provider_message_id),
    constraint provider_messages_message_key unique (conversation_id, message_id),
    constraint provider_messages_channel_fkey foreign key (channel_id) references chat.channels (channel_id),
    constraint provider_messages_message_fkey foreign key (conversation_id, message_id)
        references chat.messages (conversation_id, id) on delete set null (message_id),
    constraint provider_messages_id_check check (provider_message_id <> '')
);

comment on table chat.provider_messages is 'The id a provider gave a message, in either direction; unique on its channel.';
comment on column chat.provider_messages.channel_id is 'The channel.';
comment on column chat.provider_messages.provider_message_id is 'The provider''s id (wamid, SID).';
comment on column chat.provider_messages.conversation_id is 'The conversation.';
comment on column chat.provider_messages.message_id is 'The message; null once it is purged: a replay is still one.';
comment on column chat.provider_messages.sent_at is 'When it was sent, by the provider''s clock.';
comment on column chat.provider_messages.edited_at is 'The provider''s time of the latest edit applied: an older one that comes later changes nothing.';
comment on column chat.provider_messages.reacted_at is 'The same for the contact''s reactions.';
comment on column chat.provider_messages.business_reacted_at is 'The same for reactions from the business''s own phone.';
comment on column chat.provider_messages.is_awaited is 'An edit came before its message: what was said at first is still to come.';
