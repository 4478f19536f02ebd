-- chat.publish: tells listeners of an event, without NOTIFY's commit lock when they are awake.
--
-- Takes    p_conversation_id: null for what concerns listeners alone; p_event: the text of the frame, which must be
--          that of a jsonb; p_excluded: members who are to get a skip instead; p_desk_id: the tenant whose desk
--          is told, too.
-- Returns  its position. Assign it: perform would make a query of the call.
-- Locks    the shared advisory lock of each listener, to the end of the transaction, never waiting.
-- Writes   outbox +1.
-- Why      A listener that sleeps holds its lock exclusively. Getting the lock shared means it is awake
--          and cannot fall asleep before this transaction ends: it will look again, no bell needed.
--          Failing to get one means it sleeps or is just waking: ring.
--          With a snapshot of its own past a transaction may not see who listens now: it rings for all.
create or replace function chat.publish(
    p_conversation_id uuid,
    p_event           text,
    p_excluded        uuid[] default null,
    p_desk_id         uuid default null
) returns bigint
language plpgsql volatile
as $$
declare
    v_position bigint;
begin
    insert into chat.outbox (conversation_id, event, excluded_user_ids, desk_id)
    values (p_conversation_id, p_event, p_excluded, p_desk_id)
    returning position into v_position;

    perform pg_notify(coalesce(l.channel, chat.doorbell()),
                      case when l.channel is null then '' else chat.ring_content(v_position) end)
       from chat.listeners l
      where not pg_try_advisory_xact_lock_shared(chat.listener_lock_class(), l.lock_key);
    if current_setting('transaction_isolation') <> 'read committed' then
        perform pg_notify(chat.doorbell(), '');
    end if;
    return v_position;
end
$$;

comment on function chat.publish is 'Put an event in the outbox and wake listeners that sleep.';
