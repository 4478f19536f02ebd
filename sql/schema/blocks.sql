-- Blocks: who does not want to hear from whom.
create table chat.blocks (
    blocker_id uuid not null,
    blocked_id uuid not null,
    created_at timestamptz not null default now(),
    constraint blocks_pkey primary key (blocker_id, blocked_id),
    constraint blocks_blocker_fkey foreign key (blocker_id) references chat.users (user_id),
    constraint blocks_blocked_fkey foreign key (blocked_id) references chat.users (user_id),
    constraint blocks_other_check check (blocker_id <> blocked_id)
);
create index blocks_blocked_blocker_idx on chat.blocks (blocked_id, blocker_id);

comment on table chat.blocks is 'Who does not want to hear from whom. Looked up by the blocked on every send.';
comment on column chat.blocks.blocker_id is 'Who blocked.';
comment on column chat.blocks.blocked_id is 'Who is blocked.';
comment on column chat.blocks.created_at is 'Since when; earlier messages stay visible.';
