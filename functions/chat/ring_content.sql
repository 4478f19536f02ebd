-- chat.ring_content: what a listener with a channel of its own is rung with. By its xid the listener can tell
-- whether it has an event already.
--
-- Takes    p_position: that of an event of this transaction.
-- Returns  what a look gives of it (chat.event_lines). Empty when that is longer than NOTIFY takes (8,000 bytes):
--          the listener looks then.
create or replace function chat.ring_content(p_position bigint) returns text
language sql volatile
as $$
    select case when octet_length(e.lines) < 8000 then e.lines else '' end
      from chat.outbox o, chat.event_lines(o) e (lines)
     where o.xid = pg_current_xact_id() and o.position = p_position
$$;

comment on function chat.ring_content is 'What a listener with a channel of its own is rung with.';
