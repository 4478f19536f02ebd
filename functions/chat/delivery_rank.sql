-- chat.delivery_rank: how far a delivery has come with this status. It never goes down, in whatever order a provider
-- tells.
--
-- Why      failed stands below delivered: one of a contact's devices may fail and another one have it.
create or replace function chat.delivery_rank(p_status text) returns integer
language sql immutable
as $$ select array_position('{queued,sent,failed,delivered,read,played}'::text[], p_status) $$;

comment on function chat.delivery_rank is 'The place of a delivery''s status on the ladder.';
