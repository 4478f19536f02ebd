-- chat.claimed_delivery: all a worker needs to send a message.
--
-- Takes    p_delivery: the row, as it was claimed.
-- Returns  an element of what api.claim_deliveries returns.
create or replace function chat.claimed_delivery(p_delivery chat.deliveries) returns jsonb
language sql volatile
as $$
    select jsonb_build_object(
               'type', m.type,
               'lease', p_delivery.lease,
               'channel', jsonb_build_object('channel_id', c.channel_id, 'provider', c.provider, 'address', c.address),
               'contact', (select jsonb_object_agg(i.kind, i.value)
                             from (select distinct on (i.kind) i.kind, i.value
                                     from chat.contact_identities i
                                    where i.tenant_id = t.tenant_id and i.contact_id = t.contact_id
                                      and i.kind in ('phone', 'wa_id', 'bsuid') and i.retired_at is null
                                    order by i.kind, i.learned_at desc, i.value) i),
               'content', m.content,
               'attempts', p_delivery.attempts,
               'callback', p_delivery.conversation_id || '/' || p_delivery.message_id,
               'metadata', m.metadata,
               'reply_to', (select p.provider_message_id
                              from chat.provider_messages p
                             where p.conversation_id = m.conversation_id and p.message_id = m.reply_to_id
                               and p.channel_id = p_delivery.channel_id and p.provider_message_id not like 'import:%'),
               'message_id', p_delivery.message_id,
               'conversation_id', p_delivery.conversation_id)
      from chat.messages m
      join chat.threads t on t.conversation_id = m.conversation_id
      join chat.channels c on c.channel_id = p_delivery.channel_id
     where m.conversation_id = p_delivery.conversation_id and m.id = p_delivery.message_id
$$;

comment on function chat.claimed_delivery is 'All a worker needs to send a message.';
