-- Feature flags: a switch and how far it is rolled out.
create table chat.feature_flags (
    flag            text not null,
    enabled         boolean not null,
    rollout_percent integer not null default 100,
    updated_at      timestamptz not null default now(),
    constraint feature_flags_pkey primary key (flag),
    constraint feature_flags_flag_check check (flag ~ '^[a-z][a-z0-9_.-]{0,63}$'),
    constraint feature_flags_percent_check check (rollout_percent between 0 and 100)
);

comment on table chat.feature_flags is 'Switches, each with the share of users it is on for.';
comment on column chat.feature_flags.flag is 'The name programs ask for.';
comment on column chat.feature_flags.enabled is 'Off for everybody when false.';
comment on column chat.feature_flags.rollout_percent is 'On for users whose bucket (0..99, fixed per flag and user) is below it.';
comment on column chat.feature_flags.updated_at is 'When it was last set.';
