-- chat.announce_delivery: tells the desk how a message fares.
--
-- Takes    p_delivery: the row as it is now.
-- Writes   outbox +1.
create or replace function chat.announce_delivery(p_delivery chat.deliveries) returns void
language plpgsql volatile
as $$
declare
    v_position bigint;
begin
    v_position := chat.publish(
        p_delivery.conversation_id,
        (jsonb_build_object('type', 'delivery', 'status', p_delivery.status, 'message_id', p_delivery.message_id,
                            'conversation_id', p_delivery.conversation_id)
         || case when p_delivery.error is null then '{}' else jsonb_build_object('error', p_delivery.error) end)::text,
        p_desk_id => (select c.tenant_id
                        from chat.conversations c
                       where c.conversation_id = p_delivery.conversation_id));
end
$$;

comment on function chat.announce_delivery is 'Tell the desk how a message fares.';
