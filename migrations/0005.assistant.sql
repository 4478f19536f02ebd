-- The assistant: sessions, threads, what a ChatKit Store keeps, and runs.
-- depends: 0004.inbox

set local role parley_owner;

-- Two functions have more arguments now. The installation makes them anew.
-- squawk-ignore ban-drop-function
drop function if exists api.upsert_channel_atomic(text, text, text, uuid, interval);
-- squawk-ignore ban-drop-function
drop function if exists chat.append_message(uuid, uuid, text, text, text, text, jsonb, uuid, text, uuid[]);

create domain chat.run_status as text
    constraint run_status_check check (value in (
        'queued', 'in_progress', 'completed', 'failed', 'cancelled', 'expired'));

comment on domain chat.run_status is 'Of runs.status: what has become of it.';

alter table chat.limits
    add column sessions_per_user integer not null default 100,
    add column runs_per_minute integer not null default 600,
    add column run_attempts integer not null default 3,
    add column run_history integer not null default 100,
    add column answer_characters integer not null default 100000,
    add column item_bytes integer not null default 262144,
    add column session_lifetime interval not null default '24 hours',
    add column run_lease interval not null default '30 seconds',
    add column run_timeout interval not null default '5 minutes',
    add column run_expiry interval not null default '15 minutes';
-- squawk-ignore constraint-missing-not-valid -- a table of one row
alter table chat.limits add constraint limits_assistant_check check (
        least(sessions_per_user, runs_per_minute, run_attempts, run_history, answer_characters, item_bytes) > 0
        and least(session_lifetime, run_lease, run_timeout, run_expiry) > interval '0');

comment on column chat.limits.sessions_per_user is 'Most sessions of one user that are neither over nor cancelled.';
comment on column chat.limits.runs_per_minute is 'Most runs a session begins within a minute, unless its creator says otherwise.';
comment on column chat.limits.run_attempts is 'How often a run is given to a worker before it fails.';
comment on column chat.limits.run_history is 'Most messages a responder is given to read.';
comment on column chat.limits.answer_characters is 'Longest answer of a responder, in characters.';
comment on column chat.limits.item_bytes is 'Largest ChatKit thread, item or attachment, in bytes of its JSON text.';
comment on column chat.limits.session_lifetime is 'How long a session lasts, unless its creator says otherwise.';
comment on column chat.limits.run_lease is 'How long a run stays with a worker that is not heard of.';
comment on column chat.limits.run_timeout is 'How long a responder may take for an answer.';
comment on column chat.limits.run_expiry is 'How long an answer is wanted, from when it was asked for.';

alter table chat.channels add column responder_id uuid;
-- squawk-ignore constraint-missing-not-valid, adding-foreign-key-constraint -- a row for each number of the business
alter table chat.channels add constraint channels_responder_fkey foreign key (tenant_id, responder_id)
    references chat.users (tenant_id, user_id);

comment on column chat.channels.responder_id is 'The bot that answers contacts as long as no person has taken over; null: none does.';

-- Of two contacts made in one transaction one is older, too.
alter table chat.users
    alter column created_at set default clock_timestamp(),
    alter column updated_at set default clock_timestamp();

alter table chat.threads add column taken_over_at timestamptz;
-- Whom a person talks to, no bot that is named later interrupts.
update chat.threads t
   set taken_over_at = t.last_activity_at
 where exists (select from chat.conversations c where c.conversation_id = t.conversation_id and c.closed_at is null)
   and (exists (select from chat.users u where u.user_id = t.assignee_id and u.kind = 'person')
        or exists (select from chat.messages m
                    where m.conversation_id = t.conversation_id and m.source = 'person'
                      and m.seq > coalesce((select max(ch.seq) from chat.changes ch
                                             where ch.conversation_id = t.conversation_id
                                               and ch.kind = 'conversation_closed'), 0)));

comment on column chat.threads.taken_over_at is 'When a person took over from the bot that answers; null: nobody has.';

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

create table chat.assistant_threads (
    conversation_id uuid not null,
    tenant_id       uuid not null,
    user_id         uuid not null,
    session_id      uuid,
    position        bigint not null generated always as identity,
    payload         chat.json_object,
    constraint assistant_threads_pkey primary key (conversation_id),
    constraint assistant_threads_conversation_fkey foreign key (conversation_id, tenant_id)
        references chat.conversations (conversation_id, tenant_id),
    constraint assistant_threads_user_fkey foreign key (tenant_id, user_id) references chat.users (tenant_id, user_id),
    constraint assistant_threads_session_fkey foreign key (session_id) references chat.sessions (session_id)
);
create index assistant_threads_user_idx on chat.assistant_threads (user_id, position);
create index assistant_threads_tenant_idx on chat.assistant_threads (tenant_id, position);
create index assistant_threads_session_idx on chat.assistant_threads (session_id) where session_id is not null;

comment on table chat.assistant_threads is 'One row for each assistant conversation.';
comment on column chat.assistant_threads.conversation_id is
    'The conversation, of kind assistant; of a ChatKit thread whose id is a uuid that id, else derived from it.';
comment on column chat.assistant_threads.tenant_id is 'The tenant.';
comment on column chat.assistant_threads.user_id is 'Who talks to the assistant there.';
comment on column chat.assistant_threads.session_id is 'The session it was begun in, if any.';
comment on column chat.assistant_threads.position is 'Order of creation: pages go by it.';
comment on column chat.assistant_threads.payload is
    'ChatKit''s ThreadMetadata as its Store saved it; null: as the conversation says.';

create table chat.thread_items (
    conversation_id uuid not null,
    item_id         text not null,
    message_id      uuid not null,
    payload         chat.json_object not null,
    constraint thread_items_pkey primary key (conversation_id, item_id),
    constraint thread_items_message_key unique (conversation_id, message_id),
    constraint thread_items_message_fkey foreign key (conversation_id, message_id)
        references chat.messages (conversation_id, id),
    constraint thread_items_item_id_check check (item_id <> '')
);

comment on table chat.thread_items is
    'ChatKit''s items; a message without one is shown as the item that its own fields make.';
comment on column chat.thread_items.conversation_id is 'The assistant conversation.';
comment on column chat.thread_items.item_id is 'ChatKit''s id of it, any text.';
comment on column chat.thread_items.message_id is 'The message that stands for it: order, time, deletion are the message''s.';
comment on column chat.thread_items.payload is 'The item as it was saved.';

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

create table chat.runs (
    conversation_id uuid not null,
    run_id          uuid not null,
    tenant_id       uuid not null,
    message_id      uuid not null,
    actor_id        uuid not null,
    responder_id    uuid not null,
    session_id      uuid,
    status          chat.run_status not null default 'queued',
    answer_id       uuid,
    configuration   chat.json_object not null default '{}',
    error           chat.json_object,
    lease           uuid,
    worker          text,
    lease_for       interval,
    attempts        chat.amount not null default 0,
    releases        chat.amount not null default 0,
    input_seq       chat.log_number not null default 0,
    due_at          timestamptz not null default clock_timestamp(),
    created_at      timestamptz not null default clock_timestamp(),
    started_at      timestamptz,
    finished_at     timestamptz,
    expires_at      timestamptz not null,
    constraint runs_pkey primary key (conversation_id, run_id),
    constraint runs_conversation_fkey foreign key (conversation_id, tenant_id)
        references chat.conversations (conversation_id, tenant_id),
    constraint runs_message_fkey foreign key (conversation_id, message_id)
        references chat.messages (conversation_id, id),
    constraint runs_answer_fkey foreign key (conversation_id, answer_id)
        references chat.messages (conversation_id, id),
    constraint runs_session_fkey foreign key (session_id) references chat.sessions (session_id),
    constraint runs_lease_check check (
        (status = 'in_progress') = all (array[lease is not null, lease_for is not null])),
    constraint runs_releases_check check (releases <= attempts),
    constraint runs_finished_check check ((finished_at is null) = (status in ('queued', 'in_progress'))),
    constraint runs_answer_check check (case status when 'completed' then answer_id is not null and error is null
                                                    when 'failed' then error is not null
                                                    else answer_id is null or finished_at is not null end)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create unique index runs_active_key on chat.runs (conversation_id) where status in ('queued', 'in_progress');
create index runs_due_idx on chat.runs (due_at, run_id) where status in ('queued', 'in_progress');
create index runs_session_idx on chat.runs (session_id, created_at) where session_id is not null;
-- Not led by the conversation: on a table that was not analyzed yet it would be taken for the primary key.
create index runs_message_idx on chat.runs (message_id);
create index runs_answer_idx on chat.runs (answer_id) where answer_id is not null;

comment on table chat.runs is 'Answers that are owed, are being given, or were; at most one of a conversation is under way.';
comment on column chat.runs.conversation_id is 'The conversation, of kind assistant or inbox.';
comment on column chat.runs.run_id is 'The run, a uuid v7.';
comment on column chat.runs.tenant_id is 'The conversation''s tenant.';
comment on column chat.runs.message_id is 'The message to answer.';
comment on column chat.runs.actor_id is 'Who asked for it: whoever wrote the message, or a service in their name.';
comment on column chat.runs.responder_id is 'The bot that answers.';
comment on column chat.runs.session_id is 'The session it was asked for in, if any.';
comment on column chat.runs.status is 'queued | in_progress | completed | failed | cancelled | expired.';
comment on column chat.runs.answer_id is 'The answer; of a run that did not complete what had been said by then, if anything.';
comment on column chat.runs.configuration is 'What was given along for the responder.';
comment on column chat.runs.error is 'Why it failed: code, message.';
comment on column chat.runs.lease is 'Token of the worker that has it: others can change nothing.';
comment on column chat.runs.worker is 'Who that is, for people.';
comment on column chat.runs.lease_for is 'How long that worker may be silent.';
comment on column chat.runs.attempts is 'How often it was given to a worker: names what was said in that time.';
comment on column chat.runs.releases is 'How often a worker gave it back because it was stopped: not counted as tries.';
comment on column chat.runs.input_seq is 'How long the log was when a worker last took it: what the answer knows of.';
comment on column chat.runs.due_at is
    'When it may be given to a worker: at once, or when the lease of the one that has it ends; then it may also have expired.';
comment on column chat.runs.created_at is 'When it was asked for.';
comment on column chat.runs.started_at is 'When a worker first took it.';
comment on column chat.runs.finished_at is 'When it ended, well or not.';
comment on column chat.runs.expires_at is 'When nobody wants the answer any more.';

create table chat.run_deltas (
    conversation_id uuid not null,
    run_id          uuid not null,
    start           chat.amount not null,
    content         text not null,
    constraint run_deltas_pkey primary key (conversation_id, run_id, start),
    constraint run_deltas_run_fkey foreign key (conversation_id, run_id)
        references chat.runs (conversation_id, run_id) on delete cascade,
    constraint run_deltas_content_check check (content <> '')
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

comment on table chat.run_deltas is 'Pieces of an answer under way: appended, never changed, read by those who come late.';
comment on column chat.run_deltas.conversation_id is 'The conversation.';
comment on column chat.run_deltas.run_id is 'The run, which is in progress.';
comment on column chat.run_deltas.start is 'How many characters of the answer come before it.';
comment on column chat.run_deltas.content is 'The piece.';
