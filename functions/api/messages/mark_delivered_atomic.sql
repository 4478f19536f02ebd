-- api.mark_delivered_atomic: note that everything up to a number has reached a device of a member.
--
-- Takes    p_seq: a log number; null: up to now. Never moves back: an earlier number changes nothing.
-- Returns  delivered_seq, read_seq, unread_count.
-- Locks    the actor's member row; not the conversation.
-- Writes   members, receipts +1, outbox +1.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.mark_delivered_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_seq             bigint default null
) returns jsonb
language sql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
    select chat.advance_watermarks(p_conversation_id, p_actor_id, 'delivered', p_seq)
$$;

comment on function api.mark_delivered_atomic is
    'Note that everything up to a number has reached a device of a member; never moves back.';
