-- chat.is_same_contact: whether two contacts to whom the identities of one event lead are one person, seen from two
-- sides until now.
--
-- Takes    p_contact: the event's identities; p_at: its time: what was learned later says nothing about then.
-- Rule     They are, unless both have a business-scoped id, or who has one also has a number that is not the event's,
--          or both are leads: then one of them has what was the other's before.
-- Why      As a number may be left out of an event, somebody may first be seen with an id alone, and be known already
--          by a number; the first event with both tells. With a change of number the id changes, too: one from before
--          the change does not count.
create or replace function chat.is_same_contact(
    p_tenant_id uuid,
    p_one_id    uuid,
    p_other_id  uuid,
    p_contact   jsonb,
    p_at        timestamptz
) returns boolean
language sql stable
as $$
    select count(*) filter (where k.has_id) < 2 and count(*) filter (where k.has_id and k.has_other_number) = 0
           and count(*) filter (where k.has_lead) < 2
      from (select bool_or(i.kind in ('bsuid', 'parent_bsuid') and i.learned_at >= c.changed_at) as has_id,
                   bool_or(i.kind in ('phone', 'wa_id') and p_contact ->> i.kind is distinct from i.value)
                       as has_other_number,
                   bool_or(i.kind = 'lead') as has_lead
              from chat.contact_identities i
             cross join lateral (
                   select coalesce(max(x.retired_at), '-infinity')
                     from chat.contact_identities x
                    where x.tenant_id = p_tenant_id and x.contact_id = i.contact_id
                      and x.kind in ('phone', 'wa_id') and x.retired_at <= p_at) c (changed_at)
             where i.tenant_id = p_tenant_id and i.contact_id in (p_one_id, p_other_id)
               and (i.kind = 'lead' or i.learned_at <= p_at) and (i.retired_at is null or i.retired_at >= p_at)
             group by i.contact_id) k
$$;

comment on function chat.is_same_contact is 'Whether two contacts are one person, seen from two sides until now.';
