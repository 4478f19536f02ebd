-- chat.joining_lock: the advisory lock between those who add members to a group (shared) and the erasure of
-- one of its members (exclusive), which may have to lock them all: while it is held nobody new joins.
-- Its place in the order: after the user rows, before the member rows; several by key.
create or replace function chat.joining_lock(p_conversation_id uuid) returns bigint
language sql immutable
as $$ select hashtextextended('joining:' || p_conversation_id, 0) $$;

comment on function chat.joining_lock is 'The advisory lock that keeps a group from growing.';
