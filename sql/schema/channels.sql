-- Channels: our end of an outside network: a WhatsApp number, a Twilio sender. The core knows no provider: what
-- differs between them is in thin_api/providers.
create table chat.channels (
    channel_id   uuid not null,
    tenant_id    uuid not null,
    provider     text not null,
    address      text not null,
    display_name text not null,
    user_id      uuid not null,
    reply_window interval default '24 hours',
    created_at   timestamptz not null default clock_timestamp(),
    responder_id uuid,
    constraint channels_pkey primary key (channel_id),
    constraint channels_provider_address_key unique (provider, address),
    constraint channels_tenant_channel_key unique (tenant_id, channel_id),
    constraint channels_tenant_fkey foreign key (tenant_id) references chat.tenants (tenant_id),
    constraint channels_user_fkey foreign key (tenant_id, user_id) references chat.users (tenant_id, user_id),
    constraint channels_responder_fkey foreign key (tenant_id, responder_id)
        references chat.users (tenant_id, user_id),
    constraint channels_provider_check check (provider ~ '^[a-z][a-z0-9_]{0,31}$'),
    constraint channels_address_check check (address <> ''),
    constraint channels_display_name_check check (display_name <> ''),
    constraint channels_reply_window_check check (reply_window > interval '0')
);

comment on table chat.channels is 'Our end of an outside network; a provider''s events name it by its address.';
comment on column chat.channels.channel_id is 'The channel.';
comment on column chat.channels.tenant_id is 'Whose it is. A channel first seen in a provider''s event belongs to the default tenant.';
comment on column chat.channels.provider is 'whatsapp, twilio, ...: who carries the messages.';
comment on column chat.channels.address is 'The provider''s own id of it: WhatsApp''s phone_number_id, the number of a Twilio sender.';
comment on column chat.channels.display_name is 'For people.';
comment on column chat.channels.user_id is 'A bot that stands for the business where the provider names nobody: messages sent from its phone.';
comment on column chat.channels.reply_window is 'How long after a contact''s message anything may be answered; later only templates. Null: always.';
comment on column chat.channels.created_at is 'When it was first seen.';
comment on column chat.channels.responder_id is 'The bot that answers contacts as long as no person has taken over; null: none does.';
