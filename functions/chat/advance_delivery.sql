-- chat.advance_delivery: takes what became known of a delivery into its row, in whatever order and however often
-- it becomes known: the status is the highest of all, each time the earliest, the error that of the earliest failure.
--
-- Takes    p_delivery: the row, locked; p_status: sent, failed, delivered, read or played; p_at: when, null: now;
--          p_error: of a failure.
-- Returns  whether the status moved.
-- Writes   the delivery; outbox +1 when the status moved.
create or replace function chat.advance_delivery(
    p_delivery chat.deliveries,
    p_status   text,
    p_at       timestamptz,
    p_error    jsonb default null
) returns boolean
language plpgsql volatile
as $$
declare
    v_at    timestamptz := coalesce(p_at, clock_timestamp());
    v_moved boolean := chat.delivery_rank(p_status) > chat.delivery_rank(p_delivery.status);
    v_now   chat.deliveries;
begin
    update chat.deliveries d
       set status = case when v_moved then p_status else d.status end,
           sent_at = case p_status when 'sent' then least(d.sent_at, v_at) else d.sent_at end,
           failed_at = case p_status when 'failed' then least(d.failed_at, v_at) else d.failed_at end,
           delivered_at = case p_status when 'delivered' then least(d.delivered_at, v_at) else d.delivered_at end,
           read_at = case p_status when 'read' then least(d.read_at, v_at) else d.read_at end,
           played_at = case p_status when 'played' then least(d.played_at, v_at) else d.played_at end,
           error = case when p_status <> 'failed' and d.failed_at is null then null  -- of a try before this one
                        when p_status <> 'failed' or d.failed_at < v_at then d.error
                        when d.failed_at = v_at
                             and coalesce(d.error::text, '~') collate "C" < coalesce(p_error::text, '~') then d.error
                        else p_error end
     where d.conversation_id = p_delivery.conversation_id and d.message_id = p_delivery.message_id
    returning d.* into v_now;
    if v_moved then
        perform chat.announce_delivery(v_now);
    end if;
    return v_moved;
end
$$;

comment on function chat.advance_delivery is 'Take what became known of a delivery into its row.';
