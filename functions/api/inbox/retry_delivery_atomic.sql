-- api.retry_delivery_atomic: try a message again that could not be delivered.
--
-- Takes    p_message_id: of a message whose delivery has failed.
-- Returns  conversation_id (another one where it was merged), message_id, delivery.
-- Locks    the actor's member row, the conversation, the delivery.
-- Writes   the delivery, outbox +1. What the provider tells of the earlier attempts is not about this message any more.
-- Retry    a delivery that has not failed, or waits again, is left as it is: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member, unsupported,
--          conversation_closed, window_closed
create or replace function api.retry_delivery_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_message_id      uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_by       record;
    v_id       uuid;
    v_refusal  jsonb;
    v_delivery chat.deliveries;
begin
    if p_message_id is null then
        return chat.invalid('message_id', 'is missing');
    end if;

    v_by := chat.participant(p_conversation_id, p_actor_id);
    if v_by.refusal is not null then
        return v_by.refusal;
    end if;
    if (v_by.conversation).kind <> 'inbox' then
        return chat.fail('unsupported', 'nothing goes out from this conversation');
    end if;
    v_id := (v_by.conversation).conversation_id;

    v_delivery := chat.lock_delivery(v_id, p_message_id);
    if v_delivery.message_id is null then
        return chat.fail('not_found', 'there is no such message that went out');
    end if;
    if v_delivery.status <> 'failed' then
        return chat.ok(jsonb_build_object('conversation_id', v_id, 'message_id', p_message_id,
                                          'delivery', chat.delivery_json(v_delivery), 'duplicate', true));
    end if;
    if (v_by.conversation).closed_at is not null then
        return chat.fail('conversation_closed');
    end if;
    select chat.window_refusal(t, m.type) into v_refusal
      from chat.threads t
      join chat.messages m on m.conversation_id = t.conversation_id and m.id = p_message_id
     where t.conversation_id = v_id;
    if v_refusal is not null then
        return v_refusal;
    end if;

    update chat.provider_messages p
       set message_id = null
     where p.conversation_id = v_id and p.message_id = p_message_id;
    update chat.deliveries d
       set status = 'queued', attempts = 0, lease = null, due_at = clock_timestamp(), sent_at = null, failed_at = null,
           error = null
     where d.conversation_id = v_id and d.message_id = p_message_id
    returning d.* into v_delivery;
    perform chat.announce_delivery(v_delivery);
    return chat.ok(jsonb_build_object('conversation_id', v_id, 'message_id', p_message_id,
                                      'delivery', chat.delivery_json(v_delivery)));
end
$$;

comment on function api.retry_delivery_atomic is 'Try a message again that could not be delivered.';
