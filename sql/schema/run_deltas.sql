-- Run deltas: an answer as far as it has been said. Gone when the run ends: then the message has it all.
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
