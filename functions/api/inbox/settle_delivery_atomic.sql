-- api.settle_delivery_atomic: what became of a message that a worker has claimed.
--
-- Takes    p_lease: of the claim; p_outcome: sent (with p_provider_message_id), retry (it did not go out and may later,
--          not before p_retry_after), failed (it never will), unknown (no answer: it may have gone out; a status from
--          the provider will tell, else it is tried again when the lease ends); p_error: an object; p_identities:
--          what the provider told of the contact, kind to value.
-- Returns  conversation_id (another one where it was merged), message_id, delivery, changed.
-- Rule     sent counts whoever says it and whenever. The others count only from who holds the delivery now: again, or
--          after the lease was given away, they change nothing and answer "duplicate": true.
-- Locks    the names of the provider's id and the identities, the conversation, the delivery.
-- Writes   the delivery; provider_messages, contact_identities and what was parked, when sent; outbox when it moved.
-- Fails    validation_error, permission_denied, not_found
create or replace function api.settle_delivery_atomic(
    p_conversation_id     uuid,
    p_message_id          uuid default null,
    p_lease               uuid default null,
    p_outcome             text default null,
    p_provider_message_id text default null,
    p_error               jsonb default null,
    p_retry_after         interval default null,
    p_identities          jsonb default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    v_refusal  jsonb := chat.service_refusal();
    v_delivery chat.deliveries;
    v_channel  chat.channels;
    v_problem  jsonb;
    v_changed  boolean := false;
begin
    v_refusal := coalesce(
        v_refusal,
        case when p_conversation_id is null then chat.invalid('conversation_id', 'is missing')
             when p_message_id is null then chat.invalid('message_id', 'is missing')
             when p_lease is null then chat.invalid('lease', 'is missing')
             when p_outcome is null or p_outcome not in ('sent', 'retry', 'failed', 'unknown') then
                 chat.invalid('outcome', 'must be sent, retry, failed or unknown')
             when p_outcome = 'sent' and coalesce(p_provider_message_id, '') = '' then
                 chat.invalid('provider_message_id', 'is missing')
             when octet_length(p_provider_message_id) > 1000 then
                 chat.invalid('provider_message_id', 'is longer than 1,000 bytes')
             when jsonb_typeof(p_error) <> 'object' then chat.invalid('error', 'must be an object')
             when p_identities <> '{}' and not chat.is_identities(p_identities) then
                 chat.invalid('identities', 'must be an object of phone, wa_id or bsuid') end);
    if v_refusal is not null then
        return v_refusal;
    end if;

    select c.* into v_channel
      from chat.deliveries d
      join chat.channels c on c.channel_id = d.channel_id
     where d.conversation_id = chat.resolved_conversation(p_conversation_id) and d.message_id = p_message_id;
    if p_outcome = 'sent' and found then
        perform chat.lock_names(
            array[v_channel.channel_id || '/' || p_provider_message_id]
            || array(select v_channel.tenant_id || '/' || i.key || '/' || i.value
                       from jsonb_each_text(p_identities) i));
    end if;
    v_delivery := chat.lock_delivery(p_conversation_id, p_message_id);
    if v_delivery.message_id is null then
        return chat.fail('not_found', 'there is no such delivery');
    end if;

    if p_outcome = 'sent' then
        perform chat.identify_message(v_delivery, v_channel, p_provider_message_id, clock_timestamp());
        if p_identities is not null then
            perform chat.learn_identities(v_channel.tenant_id, t.contact_id, p_identities, clock_timestamp())
               from chat.threads t
              where t.conversation_id = v_delivery.conversation_id;
        end if;
        v_delivery := chat.lock_delivery(v_delivery.conversation_id, p_message_id);
        v_changed := chat.advance_delivery(v_delivery, 'sent', clock_timestamp());
    elsif v_delivery.lease = p_lease and v_delivery.status = 'queued' then
        v_changed := true;
        v_delivery.error := coalesce(p_error, v_delivery.error);
        v_problem := case p_outcome when 'failed' then coalesce(p_error, '{}')
                                    when 'retry' then chat.delivery_problem(v_delivery) end;
        if v_problem is not null then
            perform chat.advance_delivery(v_delivery, 'failed', clock_timestamp(), v_problem);
        else
            -- Who gives it back has nothing to say of it any more; what is unknown stays with who asked.
            update chat.deliveries d
               set error = v_delivery.error,
                   lease = case p_outcome when 'unknown' then d.lease end,
                   due_at = case p_outcome
                       when 'unknown' then d.due_at
                       else clock_timestamp() + greatest(chat.delivery_pause(d.attempts), p_retry_after) end
             where d.conversation_id = v_delivery.conversation_id and d.message_id = p_message_id;
        end if;
    end if;
    select d.* into v_delivery
      from chat.deliveries d
     where d.conversation_id = v_delivery.conversation_id and d.message_id = p_message_id;
    return chat.ok(jsonb_build_object('conversation_id', v_delivery.conversation_id, 'message_id', p_message_id,
                                      'delivery', chat.delivery_json(v_delivery), 'changed', v_changed)
                   || case when v_changed then '{}'::jsonb else '{"duplicate": true}' end);
end
$$;

comment on function api.settle_delivery_atomic is 'Tell what became of a message that a worker has claimed.';
