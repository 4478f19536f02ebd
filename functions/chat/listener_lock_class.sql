-- chat.listener_lock_class: first half of the advisory lock of a listener; the second is its lock_key.
create or replace function chat.listener_lock_class() returns integer
language sql immutable
as $$ select 1346458195 $$;

comment on function chat.listener_lock_class is
    'First half of a listener''s advisory lock: the letters PARS as a number.';
