-- chat.lock_events: everything that receiving some events may touch, locked before any of it is looked at.
--
-- Takes    p_events: events in the neutral form, each with its "provider".
-- Locks    the names of all identities and messages in them, then the contacts they lead to, by id, then the
--          conversations, by id: so two batches, and a batch and an answer, never deadlock.
-- Writes   channels nobody has told us of.
create or replace function chat.lock_events(p_events jsonb[]) returns void
language plpgsql volatile
as $$
declare
    v_channel    record;
    v_tenants    uuid[];
    v_kinds      text[];
    v_values     text[];
    v_contacts   uuid[];
    v_found      uuid[];
    v_previous   uuid[];
    v_has_target boolean;
begin
    for v_channel in
        select e.event ->> 'provider' as provider, e.event ->> 'address' as address,
               min(e.event ->> 'address_name') as display_name
          from unnest(p_events) e (event)
         group by 1, 2
         order by 1, 2
    loop
        perform chat.channel_for(v_channel.provider, v_channel.address, v_channel.display_name);
    end loop;

    select array_agg(c.tenant_id), array_agg(g.kind), array_agg(g.value)
      into v_tenants, v_kinds, v_values
      from unnest(p_events) e (event)
     cross join lateral (select x.tenant_id from chat.channels x
                          where x.provider = e.event ->> 'provider' and x.address = e.event ->> 'address'
                          limit 1) c
     cross join lateral (select * from jsonb_each_text(e.event -> 'contact')
                          union all select * from jsonb_each_text(e.event -> 'new')) g (kind, value);
    perform chat.lock_names(array(
        select format('%s/%s/%s', i.tenant_id, i.kind, i.value)
          from unnest(v_tenants, v_kinds, v_values) i (tenant_id, kind, value)
         union all
        select format('%s/%s', c.channel_id, i.id)
          from unnest(p_events) e (event)
         cross join lateral (select x.channel_id from chat.channels x
                              where x.provider = e.event ->> 'provider' and x.address = e.event ->> 'address'
                              limit 1) c
         cross join lateral unnest(array[e.event ->> 'id', e.event ->> 'target', e.event ->> 'reply_to']) i (id)
         where i.id is not null));

    -- A contact who was merged while we waited leads elsewhere now: look again.
    v_has_target := exists (select from unnest(p_events) e (event) where e.event ?| '{target,reply_to,callback}');
    loop
        select coalesce(array_agg(distinct f.contact_id), '{}') into v_contacts
          from (select k.contact_id
                  from unnest(v_tenants, v_kinds, v_values) i (tenant_id, kind, value)
                 cross join lateral (select x.contact_id from chat.contact_identities x
                                      where x.tenant_id = i.tenant_id and x.kind = i.kind and x.value = i.value
                                      limit 1) k
                 union all
                select t.contact_id
                  from unnest(case when v_has_target then p_events end) e (event)
                 cross join lateral chat.event_targets(e.event) g (conversation_id)
                  join chat.threads t on t.conversation_id = g.conversation_id) f;
        exit when v_contacts = v_previous;
        v_found := array(
            select u.user_id from chat.users u
             where u.user_id = any (v_contacts) and u.deactivated_at is null
             order by u.user_id
               for no key update);
        exit when cardinality(v_found) = cardinality(v_contacts);
        v_previous := v_contacts;
    end loop;

    v_previous := null;
    loop
        v_found := array(
            select t.conversation_id
              from unnest(v_contacts) l (contact_id)
             cross join lateral (select x.conversation_id from chat.threads x
                                  where x.contact_id = l.contact_id
                                  limit 1) t
             order by 1);
        if v_has_target then
            v_found := array(
                select f.conversation_id from unnest(v_found) f (conversation_id)
                 union
                select g.conversation_id
                  from unnest(p_events) e (event)
                 cross join lateral chat.event_targets(e.event) g (conversation_id)
                 order by 1);
        end if;
        exit when v_found = v_previous;
        perform from chat.conversations c
          where c.conversation_id = any (v_found)
          order by c.conversation_id
            for no key update;
        exit when not v_has_target and cardinality(v_found) = cardinality(v_contacts);
        v_previous := v_found;
    end loop;
end
$$;

comment on function chat.lock_events is 'Lock everything that receiving some events may touch.';
