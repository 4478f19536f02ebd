-- chat.delivery_json: a delivery as callers see it.
create or replace function chat.delivery_json(p_delivery chat.deliveries) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'error', p_delivery.error,
        'status', p_delivery.status,
        'read_at', p_delivery.read_at,
        'sent_at', p_delivery.sent_at,
        'failed_at', p_delivery.failed_at,
        'played_at', p_delivery.played_at,
        'delivered_at', p_delivery.delivered_at)
$$;

comment on function chat.delivery_json is 'A delivery as callers see it.';
