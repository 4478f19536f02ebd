-- chat.doorbell: the NOTIFY channel that wakes sleeping listeners. Its messages are empty.
create or replace function chat.doorbell() returns text
language sql immutable
as $$ select 'parley' $$;

comment on function chat.doorbell is 'The NOTIFY channel listeners wait on.';
