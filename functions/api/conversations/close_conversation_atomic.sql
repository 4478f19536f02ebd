-- api.close_conversation_atomic: end a conversation: nothing can be said until it is reopened.
--
-- Returns  conversation.
-- Locks    the actor's member row, then the conversation row.
-- Writes   conversations.closed_at, changes +1, outbox +1.
-- Retry    again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.close_conversation_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null
) returns jsonb
language sql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
    select chat.set_closed(p_conversation_id, p_actor_id, true)
$$;

comment on function api.close_conversation_atomic is 'End a conversation: nothing can be said until it is reopened.';
