-- api.record_delivery_status_atomic: what a provider tells of a message that went out.
--
-- Takes    p_provider, p_address: the channel; p_provider_message_id; p_status: sent, delivered, read, played or
--          failed; p_occurred_at: by the provider's clock, null: now; p_error: of a failure; p_callback: what was sent
--          along with the message. It settles a delivery whose answer was lost.
-- Returns  status (as it is now), changed (whether it moved); parked: true when the message is not known yet: it is
--          applied when it is.
-- Locks    the name of the provider's id, the conversation, the delivery.
-- Writes   the delivery, provider_messages, outbox; or parked_events +1.
-- Retry    in any order and any number of times: the status is the highest ever told, each time the earliest.
-- Fails    validation_error, permission_denied, not_found
create or replace function api.record_delivery_status_atomic(
    p_provider            text,
    p_address             text default null,
    p_provider_message_id text default null,
    p_status              text default null,
    p_occurred_at         timestamptz default null,
    p_error               jsonb default null,
    p_callback            text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    v_refusal jsonb := chat.service_refusal();
    v_channel chat.channels;
    v_result  jsonb;
begin
    v_refusal := coalesce(
        v_refusal,
        case when p_provider is null then chat.invalid('provider', 'is missing')
             when p_address is null then chat.invalid('address', 'is missing')
             when coalesce(p_provider_message_id, '') = '' then chat.invalid('provider_message_id', 'is missing')
             when octet_length(p_provider_message_id) > 1000 then
                 chat.invalid('provider_message_id', 'is longer than 1,000 bytes')
             when p_status is null or p_status not in ('sent', 'delivered', 'read', 'played', 'failed') then
                 chat.invalid('status', 'must be sent, delivered, read, played or failed')
             when jsonb_typeof(p_error) <> 'object' then chat.invalid('error', 'must be an object') end);
    if v_refusal is not null then
        return v_refusal;
    end if;
    select c.* into v_channel from chat.channels c where c.provider = p_provider and c.address = p_address;
    if not found then
        return chat.fail('not_found', 'there is no such channel');
    end if;

    perform chat.lock_names(array[v_channel.channel_id || '/' || p_provider_message_id]);
    v_result := chat.apply_status(v_channel, jsonb_strip_nulls(jsonb_build_object(
        'kind', 'status', 'address', p_address, 'target', p_provider_message_id, 'status', p_status,
        'at', coalesce(p_occurred_at, clock_timestamp()), 'callback', p_callback))
        || jsonb_build_object('error', p_error));
    return chat.ok(v_result);
end
$$;

comment on function api.record_delivery_status_atomic is 'Take in what a provider tells of a message that went out.';
