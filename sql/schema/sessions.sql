-- Sessions: a user's leave to talk to the assistant for a while, with a secret that a browser can hold. A session is
-- not a conversation: threads are begun in it, and outlive it.
create table chat.sessions (
    session_id          uuid not null,
    tenant_id           uuid not null,
    user_id             uuid not null,
    secret_digest       bytea not null,
    requests_per_minute integer not null,
    configuration       chat.json_object not null default '{}',
    client_key          text,
    request_digest      bytea,
    created_at          timestamptz not null default clock_timestamp(),
    expires_at          timestamptz not null,
    cancelled_at        timestamptz,
    constraint sessions_pkey primary key (session_id),
    constraint sessions_secret_key unique (secret_digest),
    constraint sessions_user_client_key unique (user_id, client_key),
    constraint sessions_user_fkey foreign key (tenant_id, user_id) references chat.users (tenant_id, user_id),
    constraint sessions_requests_check check (requests_per_minute > 0),
    constraint sessions_expiry_check check (expires_at > created_at),
    constraint sessions_client_key_check check ((client_key is null) = (request_digest is null))
);
create index sessions_user_idx on chat.sessions (user_id, created_at, session_id);
create index sessions_expiry_idx on chat.sessions (user_id, expires_at) where cancelled_at is null;

comment on table chat.sessions is 'Who may talk to the assistant, until when; the secret itself is told once and kept nowhere.';
comment on column chat.sessions.session_id is 'The session, a uuid v7.';
comment on column chat.sessions.tenant_id is 'The user''s tenant.';
comment on column chat.sessions.user_id is 'Whose session it is.';
comment on column chat.sessions.secret_digest is 'SHA-256 of the client secret.';
comment on column chat.sessions.requests_per_minute is 'Most runs begun in it within a minute.';
comment on column chat.sessions.configuration is 'What its creator gave along: workflow, chatkit_configuration.';
comment on column chat.sessions.client_key is 'The creator''s key that makes creation retryable.';
comment on column chat.sessions.request_digest is 'SHA-256 of the creation''s arguments: tells a retry from a conflict.';
comment on column chat.sessions.created_at is 'When it was created.';
comment on column chat.sessions.expires_at is 'Nothing begins in it from then on.';
comment on column chat.sessions.cancelled_at is 'When it was ended early.';
