-- chat.lock_names: locks names of the outside world, whose rows may not exist yet, to the end of the transaction.
-- Whoever asks for one of them, too, waits; so what is looked up afterwards stays as it was found.
--
-- Takes    p_names: {tenant}/{kind}/{value} of identities, {channel}/{provider's id} of messages; any order, nulls
--          and repetitions allowed.
-- Locks    an advisory lock each, in the order of their keys: two calls never deadlock. Before any row.
-- Why      A server has room for some thousands of locks in all: who needs more than 1,000 takes all names at once,
--          by the lock that everybody else shares.
create or replace function chat.lock_names(p_names text[]) returns void
language plpgsql volatile
as $$
declare
    v_all bigint := hashtextextended('parley:names', 0);
begin
    if cardinality(p_names) > 1000 then
        perform pg_advisory_xact_lock(v_all);
        return;
    end if;
    perform pg_advisory_xact_lock_shared(v_all);
    perform pg_advisory_xact_lock(k.key)
       from (select distinct hashtextextended('parley:name:' || n.name, 0)
               from unnest(p_names) n (name)
              where n.name is not null
              order by 1) k (key);
end
$$;

comment on function chat.lock_names is 'Lock names of the outside world, in an order that never deadlocks.';
