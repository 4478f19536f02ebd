-- chat.apply_status: what a provider tells of a message that went out.
--
-- Takes    p_channel; p_event: of kind status, as chat.receive_event takes it, whose target's name is locked. Its
--          callback finds a message whose answer was lost: the target becomes its provider id.
-- Returns  outcome (changed | duplicate | parked | ignored), status (as it is now, null when nothing is known of the
--          message), changed (whether it moved), and parked: true when the message is not known yet.
-- Locks    the message's conversation row, then its delivery.
-- Writes   the delivery, outbox +1; provider_messages +1; or parked_events +1.
-- Rule     What is no delivery of ours (sent from the business's phone, purged) is passed over.
create or replace function chat.apply_status(p_channel chat.channels, p_event jsonb) returns jsonb
language plpgsql volatile
as $$
declare
    v_target   text := p_event ->> 'target';
    v_at       timestamptz := coalesce((p_event ->> 'at')::timestamptz, clock_timestamp());
    v_callback text[] := regexp_match(p_event ->> 'callback', '^([0-9a-f-]{36})/([0-9a-f-]{36})$');
    v_known    chat.provider_messages;
    v_delivery chat.deliveries;
    v_moved    boolean := false;
begin
    select p.* into v_known
      from chat.provider_messages p
     where p.channel_id = p_channel.channel_id and p.provider_message_id = v_target;
    if found then
        v_delivery := chat.lock_delivery(v_known.conversation_id, v_known.message_id);
    else
        if chat.is_uuid(v_callback[1]) and chat.is_uuid(v_callback[2]) then
            v_delivery := chat.lock_delivery(v_callback[1]::uuid, v_callback[2]::uuid);
        end if;
        if v_delivery.message_id is null or v_delivery.channel_id <> p_channel.channel_id then
            perform chat.park_event(p_channel.channel_id, v_target, p_event);
            return '{"outcome": "parked", "status": null, "changed": false, "parked": true}'::jsonb;
        end if;
        perform chat.identify_message(v_delivery, p_channel, v_target, v_at);
        v_delivery := chat.lock_delivery(v_delivery.conversation_id, v_delivery.message_id);
    end if;

    if v_delivery.message_id is not null then
        v_moved := chat.advance_delivery(v_delivery, p_event ->> 'status', v_at,
                                         nullif(p_event -> 'error', 'null'));
    end if;
    return jsonb_build_object(
        'outcome', case when v_delivery.message_id is null then 'ignored'
                        when v_moved then 'changed' else 'duplicate' end,
        'status', case when v_moved then p_event ->> 'status' else v_delivery.status end,
        'changed', v_moved);
end
$$;

comment on function chat.apply_status is 'Take in what a provider tells of a message that went out.';
