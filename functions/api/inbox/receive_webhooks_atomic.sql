-- api.receive_webhooks_atomic: take in what providers sent: each request's body is kept word for word, and the events
-- in it become contacts, conversations, messages, changes and statuses. One transaction for all.
--
-- Takes    p_webhooks: an array of objects: provider, payload (the body as it came), events (what an adapter
--          makes of it: an array in the neutral form of docs/inbox.md).
-- Returns  results, one for each in the order given: success, events, duplicates (how many of them), "duplicate": true
--          for a body that was taken in before, "refused": what was no event and why; or a refusal of one that is
--          no such object. An exception undoes all: give them one by one, and keep what still fails by
--          park_webhook_atomic.
-- Locks    the bodies' digests, in order; then everything the events may touch, by chat.lock_events.
-- Writes   webhooks; what chat.receive_event writes for each event.
-- Retry    naturally: a repetition of a body costs one look-up, of an event in another body little more.
-- Fails    validation_error, permission_denied, too_large
create or replace function api.receive_webhooks_atomic(p_webhooks jsonb default null) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_most       integer := (select l.webhooks_per_batch from chat.limits l);
    v_refusal    jsonb := chat.service_refusal();
    v_digests    bytea[];
    v_stored     bytea[];
    v_results    jsonb[];
    v_positions  integer[];
    v_events     jsonb[];
    v_refusals   jsonb[];
    v_received   integer[];
    v_duplicates integer[];
    v_refused    jsonb[];
    v_result     jsonb;
    v_at         integer;
    v_channel    chat.channels;
begin
    v_refusal := coalesce(
        v_refusal,
        case when p_webhooks is null or jsonb_typeof(p_webhooks) <> 'array' then
            chat.invalid('webhooks', 'must be an array') end,
        case when jsonb_array_length(p_webhooks) > v_most then
            chat.oversized('webhooks', v_most, 'webhooks') end);
    if v_refusal is not null then
        return v_refusal;
    end if;

    -- Keep what came. Of the same body twice at a time the second waits here and finds it taken in.
    v_digests := array(
        select case when jsonb_typeof(w.webhook -> 'provider') = 'string'
                         and jsonb_typeof(w.webhook -> 'payload') = 'string'
                         and jsonb_typeof(w.webhook -> 'events') = 'array'
                    then chat.webhook_digest(w.webhook ->> 'provider', w.webhook ->> 'payload') end
          from jsonb_array_elements(p_webhooks) with ordinality w (webhook, position)
         order by w.position);
    with stored as (
        insert into chat.webhooks as w (digest, provider, payload, processed_at)
        select distinct on (d.digest) d.digest, p_webhooks -> (d.position::integer - 1) ->> 'provider',
               p_webhooks -> (d.position::integer - 1) ->> 'payload', clock_timestamp()
          from unnest(v_digests) with ordinality d (digest, position)
         where d.digest is not null
           and (select x.processed_at from chat.webhooks x where x.digest = d.digest) is null
         order by d.digest
            on conflict (digest) do update
           set processed_at = excluded.processed_at, problem = null
         where w.processed_at is null
        returning w.digest
    )
    select coalesce(array_agg(s.digest), '{}') into v_stored from stored s;

    select array_agg(f.position::integer order by f.position, f.number),
           array_agg(f.event order by f.position, f.number)
      into v_positions, v_events
      from (select w.position, e.number,
                   case when jsonb_typeof(e.event) = 'object'
                        then jsonb_set(e.event, '{provider}', w.provider) else e.event end as event
              -- What is sorted holds an event and not, beside each, the webhook it came in.
              from (select p.position, p_webhooks #> array[p.index, 'provider'] as provider,
                           p_webhooks #> array[p.index, 'events'] as events
                      from (select min(d.position) as position, (min(d.position) - 1)::text as index
                              from unnest(v_digests) with ordinality d (digest, position)
                             where d.digest = any (v_stored)
                             group by d.digest) p) w
             cross join lateral jsonb_array_elements(w.events) with ordinality e (event, number)) f;
    v_refusals := array(
        select chat.event_refusal(e.event) from unnest(v_events) with ordinality e (event, number) order by e.number);
    perform chat.lock_events(array(
        select e.event from unnest(v_events, v_refusals) e (event, refusal) where e.refusal is null));

    v_received := array_fill(0, array[cardinality(v_digests)]);
    v_duplicates := v_received;
    v_refused := array_fill(null::jsonb, array[cardinality(v_digests)]);
    for i in 1 .. coalesce(cardinality(v_events), 0)
    loop
        v_at := v_positions[i];
        v_received[v_at] := v_received[v_at] + 1;
        if v_refusals[i] is not null then
            v_refused[v_at] := coalesce(v_refused[v_at], '[]') || v_refusals[i];
            continue;
        end if;
        if v_channel.address is distinct from v_events[i] ->> 'address'
           or v_channel.provider is distinct from v_events[i] ->> 'provider' then
            v_channel := chat.channel_for(v_events[i] ->> 'provider', v_events[i] ->> 'address', null);
        end if;
        v_result := chat.receive_event(v_channel, v_events[i]);
        if v_result ->> 'outcome' = 'duplicate' then
            v_duplicates[v_at] := v_duplicates[v_at] + 1;
        elsif v_result ->> 'success' = 'false' then
            v_refused[v_at] := coalesce(v_refused[v_at], '[]') || v_result;
        end if;
    end loop;

    v_results := array(
        select case when d.digest is null then
                        chat.invalid('webhooks', 'must be objects with provider, payload and events')
                    when d.digest = any (v_stored)
                         and d.position = array_position(v_digests, d.digest) then
                        jsonb_build_object('success', true, 'events', v_received[d.position],
                                           'duplicates', v_duplicates[d.position])
                        || case when v_refused[d.position] is null then '{}'
                                else jsonb_build_object('refused', v_refused[d.position]) end
                    else '{"success": true, "duplicate": true, "events": 0, "duplicates": 0}' end
          from unnest(v_digests) with ordinality d (digest, position)
         order by d.position);
    return chat.ok(jsonb_build_object('results', to_jsonb(v_results)));
end
$$;

comment on function api.receive_webhooks_atomic is
    'Take in what providers sent: bodies are kept, the events in them applied once; one result each.';
