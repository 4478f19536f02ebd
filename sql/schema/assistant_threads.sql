-- Assistant threads: whose an assistant conversation is, and what ChatKit knows of it.
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
