-- api.claim_deliveries: gives a worker messages that have to go out, for it alone.
--
-- Takes    p_worker: its name, for people; p_limit: how many it can send at once; p_lease: how long they are its own,
--          by default chat.limits.delivery_lease; p_providers: those it can call, null: any; p_up_for: how long
--          the worker and what receives statuses have been up, null: long enough.
-- Returns  deliveries: each with conversation_id, message_id, lease, attempts, type, content, metadata, callback
--          (to be sent along: a status that brings it back settles the delivery), channel (channel_id, provider,
--          address), contact (its newest phone, wa_id, bsuid), reply_to (provider's id of the message it answers, or
--          null); failed: how many could not go out any more; lease_seconds; wait_seconds: until the next is due,
--          null when none waits.
-- Rule     Of a conversation only the oldest that has not gone out: their order is kept. When a lease ends with no
--          answer and no status from the provider, the delivery is given away again, limits.delivery_attempts times;
--          not before the worker has been up for a lease, as a status sent while we were down comes again first.
-- Locks    the deliveries; those that somebody holds are skipped.
-- Writes   deliveries (lease, attempts, due_at); a failure and an outbox row for what may not go out any more: the
--          reply window has closed, the message was deleted, the contact has no address, tried often enough.
-- Fails    validation_error, permission_denied, too_large
create or replace function api.claim_deliveries(
    p_worker    text,
    p_limit     integer default 10,
    p_lease     interval default null,
    p_providers text[] default null,
    p_up_for    interval default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    v_refusal  jsonb := chat.service_refusal();
    v_limits   chat.limits := (select l from chat.limits l);
    v_lease    interval := coalesce(p_lease, v_limits.delivery_lease);
    v_now      timestamptz := clock_timestamp();
    v_delivery chat.deliveries;
    v_problem  jsonb;
    v_claimed  jsonb[] := '{}'::jsonb[];
    v_failed   integer := 0;
begin
    v_refusal := coalesce(
        v_refusal,
        case when p_worker is null then chat.invalid('worker', 'is missing') end,
        chat.text_refusal('worker', p_worker, v_limits.key_characters),
        case when p_limit is null or p_limit not between 1 and v_limits.messages_per_batch then
            chat.invalid('limit', format('must be between 1 and %s', v_limits.messages_per_batch)) end,
        case when v_lease <= interval '0' then chat.invalid('lease', 'must be positive') end);
    if v_refusal is not null then
        return v_refusal;
    end if;

    for v_delivery in
        select d.*
          from chat.deliveries d
          join chat.messages m on m.conversation_id = d.conversation_id and m.id = d.message_id
          join chat.channels c on c.channel_id = d.channel_id
         where d.status = 'queued' and d.due_at <= v_now
           and (d.lease is null or p_up_for is null or p_up_for >= v_lease)
           and (p_providers is null or c.provider = any (p_providers))
           and not exists (select
                             from chat.deliveries o
                             join chat.messages n on n.conversation_id = o.conversation_id and n.id = o.message_id
                            where o.conversation_id = d.conversation_id and o.status = 'queued' and n.seq < m.seq)
         order by d.due_at, d.message_id
         limit p_limit
           for no key update of d skip locked
    loop
        v_problem := chat.delivery_problem(v_delivery);
        if v_problem is not null then
            perform chat.advance_delivery(v_delivery, 'failed', v_now, v_problem);
            v_failed := v_failed + 1;
            continue;
        end if;
        update chat.deliveries d
           set lease = gen_random_uuid(), worker = p_worker, attempts = d.attempts + 1,
               attempted_at = v_now, due_at = v_now + v_lease
         where d.conversation_id = v_delivery.conversation_id and d.message_id = v_delivery.message_id
        returning d.* into v_delivery;
        v_claimed := v_claimed || chat.claimed_delivery(v_delivery);
    end loop;

    return chat.ok(jsonb_build_object(
        'deliveries', to_jsonb(v_claimed),
        'failed', v_failed,
        'lease_seconds', extract(epoch from v_lease),
        'wait_seconds', least(
            (select extract(epoch from d.due_at - v_now)
               from chat.deliveries d
               join chat.channels c on c.channel_id = d.channel_id
              where d.status = 'queued' and d.due_at > v_now
                and (p_providers is null or c.provider = any (p_providers))
              order by d.due_at
              limit 1),
            case when p_up_for < v_lease
                      and exists (select from chat.deliveries d
                                   where d.status = 'queued' and d.due_at <= v_now and d.lease is not null)
                 then extract(epoch from v_lease - p_up_for) end)));
end
$$;

comment on function api.claim_deliveries is 'Give a worker messages that have to go out, for it alone.';
