-- chat.ring_content: what a listener with a channel of its own is rung with: the event, as push_fetch would give it,
-- and xid, so that it can tell whether it has it already.
--
-- Returns  the text; empty when it is longer than NOTIFY takes (8,000 bytes): the listener looks then.
create or replace function chat.ring_content(p_event chat.outbox) returns text
language plpgsql volatile
as $$
declare
    v_content text := (chat.event_json(p_event) || jsonb_build_object('xid', p_event.xid::text))::text;
begin
    return case when octet_length(v_content) < 8000 then v_content else '' end;
end
$$;

comment on function chat.ring_content is 'What a listener with a channel of its own is rung with.';
