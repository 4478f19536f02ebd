-- chat.learn_identities: from now on these identities lead to a contact.
--
-- Takes    p_identities: an object, kind to value; p_at: the provider's time; p_take: take them from others, too:
--          not what another contact came to have later than that, or had until later.
-- Locks    the caller has locked their names.
-- Writes   contact_identities; canonical_key of the contacts concerned.
-- Rule     learned_at is the earliest time it was seen, whatever the order in which that was heard.
create or replace function chat.learn_identities(
    p_tenant_id  uuid,
    p_contact_id uuid,
    p_identities jsonb,
    p_at         timestamptz,
    p_take       boolean default false
) returns void
language plpgsql volatile
as $$
declare
    v_losers uuid[];
begin
    if p_take then
        v_losers := array(
            select distinct i.contact_id
              from jsonb_each_text(p_identities) g (kind, value)
             cross join lateral (select x.contact_id from chat.contact_identities x
                                  where x.tenant_id = p_tenant_id and x.kind = g.kind and x.value = g.value
                                  limit 1) i
             where i.contact_id <> p_contact_id
             order by i.contact_id);
    end if;
    insert into chat.contact_identities as i (tenant_id, kind, value, contact_id, learned_at, retired_at)
    select p_tenant_id, g.kind, g.value, p_contact_id, p_at,
           -- Seen before a change that was told already: it went with what was known then.
           (select min(x.retired_at)
              from chat.contact_identities x
             where x.contact_id = p_contact_id and x.retired_at > p_at
               and replace(x.kind, 'wa_id', 'phone') = replace(g.kind, 'wa_id', 'phone'))
      from jsonb_each_text(p_identities) g (kind, value)
     order by g.kind
        on conflict (tenant_id, kind, value) do update
       set contact_id = p_contact_id,
           learned_at = case when i.contact_id = p_contact_id and (i.retired_at is null or i.retired_at >= p_at)
                             then least(i.learned_at, p_at) else p_at end,
           retired_at = case when i.contact_id = p_contact_id and (i.retired_at is null or i.retired_at >= p_at)
                             then i.retired_at else excluded.retired_at end
     where i.contact_id = p_contact_id and (i.learned_at > p_at or i.retired_at < p_at)
        or i.contact_id <> p_contact_id and p_take and i.learned_at <= p_at
           and (i.retired_at is null or i.retired_at < p_at);
    perform chat.refresh_key(p_tenant_id, l.contact_id) from unnest(v_losers) l (contact_id);
    perform chat.refresh_key(p_tenant_id, p_contact_id);
end
$$;

comment on function chat.learn_identities is 'From now on these identities lead to a contact.';
