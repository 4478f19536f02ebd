-- Attachments: what a ChatKit Store knows of uploaded files. The files themselves are elsewhere.
create table chat.attachments (
    tenant_id     uuid not null,
    attachment_id text not null,
    user_id       uuid not null,
    payload       chat.json_object not null,
    created_at    timestamptz not null default clock_timestamp(),
    constraint attachments_pkey primary key (tenant_id, attachment_id),
    constraint attachments_user_fkey foreign key (tenant_id, user_id) references chat.users (tenant_id, user_id),
    constraint attachments_attachment_id_check check (attachment_id <> '')
);
create index attachments_user_idx on chat.attachments (user_id);

comment on table chat.attachments is 'ChatKit''s attachments: they are there before the message they belong to.';
comment on column chat.attachments.tenant_id is 'The user''s tenant.';
comment on column chat.attachments.attachment_id is 'ChatKit''s id of it, any text.';
comment on column chat.attachments.user_id is 'Who uploaded it.';
comment on column chat.attachments.payload is 'The attachment as it was saved.';
comment on column chat.attachments.created_at is 'When it was first saved.';
