-- chat.delivery_pause: how long to wait before a message is tried again: 5 seconds, doubled with each attempt, 15
-- minutes at most, and up to a quarter more or less, so that those which failed together do not come back together.
--
-- Takes    p_attempts: how often it was tried.
create or replace function chat.delivery_pause(p_attempts integer) returns interval
language sql volatile
as $$
    select least(interval '5 seconds' * 2 ^ least(p_attempts - 1, 20), interval '15 minutes') * (0.75 + random() / 2)
$$;

comment on function chat.delivery_pause is 'How long to wait before a message is tried again.';
