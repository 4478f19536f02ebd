-- Runs: one for each answer that a responder owes, from the message that asks for it to what became of it.
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
