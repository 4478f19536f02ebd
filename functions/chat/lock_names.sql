-- chat.lock_names: locks names of the outside world, whose rows may not exist yet, to the end of the transaction.
-- Whoever asks for one of them, too, waits; so what is looked up afterwards stays as it was found.
--
-- Takes    p_names: {tenant}/{kind}/{value} of identities, {channel}/{provider's id} of messages; any order, nulls
--          and repetitions allowed.
-- Locks    an advisory lock each, in the order of their keys: two calls never deadlock. Before any row.
create or replace function chat.lock_names(p_names text[]) returns void
language plpgsql volatile
as $$
begin
    perform pg_advisory_xact_lock(k.key)
       from (select distinct hashtextextended('parley:name:' || n.name, 0)
               from unnest(p_names) n (name)
              where n.name is not null
              order by 1) k (key);
end
$$;

comment on function chat.lock_names is 'Lock names of the outside world, in an order that never deadlocks.';
