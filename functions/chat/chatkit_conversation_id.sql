-- chat.chatkit_conversation_id: the conversation that stands for a ChatKit thread. ChatKit's ids are any text: one
-- that is a uuid is the conversation's, so that both sides know the thread by the same id; others derive one.
create or replace function chat.chatkit_conversation_id(p_tenant_id uuid, p_thread_id text) returns uuid
language sql immutable
as $$
    select case when chat.is_uuid(p_thread_id) then p_thread_id::uuid
                else chat.derived_id(p_tenant_id, 'chatkit:' || p_thread_id) end
$$;

comment on function chat.chatkit_conversation_id is 'The conversation that stands for a ChatKit thread.';
