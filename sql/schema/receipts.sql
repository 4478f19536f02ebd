-- Receipts: when a member's watermark reached which number. Tells when each message was read; the
-- watermarks themselves are in chat.members.
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
