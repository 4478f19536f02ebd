-- chat.chatkit_thread_json: an assistant thread as ChatKit's ThreadMetadata.
--
-- Returns  what its Store saved, with title, metadata and status as they are now: the conversation may have been
--          renamed or closed elsewhere. Of a thread that no Store saved, what its conversation makes.
create or replace function chat.chatkit_thread_json(
    p_conversation chat.conversations,
    p_thread       chat.assistant_threads
) returns jsonb
language sql stable
as $$
    select jsonb_build_object('id', p_conversation.conversation_id, 'created_at', p_conversation.created_at)
           || coalesce(p_thread.payload, '{}')
           || jsonb_build_object(
               -- A blank title is none to a conversation.
               'title', case when p_conversation.title is null and p_thread.payload ->> 'title' !~ '\S'
                             then p_thread.payload ->> 'title' else p_conversation.title end,
               'metadata', p_conversation.metadata,
               'status', case
                   when (p_thread.payload #>> '{status,type}' = 'closed') = (p_conversation.closed_at is not null)
                   then p_thread.payload -> 'status'
                   else jsonb_build_object(
                       'type', case when p_conversation.closed_at is null then 'active' else 'closed' end) end)
$$;

comment on function chat.chatkit_thread_json is 'An assistant thread as ChatKit''s ThreadMetadata.';
