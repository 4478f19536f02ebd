-- chat.ring_content: what a listener with a channel of its own is rung with. By its xid the listener can tell
-- whether it has an event already.
--
-- Returns  two lines: what push_fetch tells about the event, with its type, seq, user_ids, message_id and
--          written_at (seconds since 1970, by this server's clock); and the event, to be handed on as it is.
--          Empty when that is longer than NOTIFY takes (8,000 bytes): the listener looks then.
create or replace function chat.ring_content(p_event chat.outbox) returns text
language plpgsql volatile
as $$
declare
    v_content text := jsonb_build_object(
        'age', extract(epoch from clock_timestamp() - p_event.created_at),
        'seq', p_event.event -> 'seq',
        'xid', p_event.xid::text,
        'type', p_event.event -> 'type',
        'user_id', p_event.event -> 'user_id',
        'position', p_event.position,
        'user_ids', p_event.event -> 'user_ids',
        'message_id', p_event.event #> '{message,id}',
        'written_at', extract(epoch from p_event.created_at),
        'conversation_id', p_event.conversation_id,
        'excluded_user_ids', to_jsonb(p_event.excluded_user_ids))::text || e'\n' || p_event.event::text;
begin
    return case when octet_length(v_content) < 8000 then v_content else '' end;
end
$$;

comment on function chat.ring_content is 'What a listener with a channel of its own is rung with.';
