-- chat.is_same_contact: whether two contacts are one person, seen from two sides: all that one of them is known by are
-- business-scoped ids, and the other has none of these.
--
-- Why      Since a number may be left out of an event, somebody may first be seen with an id alone, and be known
--          already by a number; the first event with both tells. Two who have ids of their own are two people of
--          whom one has the other's old number.
create or replace function chat.is_same_contact(p_tenant_id uuid, p_one_id uuid, p_other_id uuid) returns boolean
language sql stable
as $$
    select count(*) filter (where k.has_ids) = 1 and count(*) filter (where k.has_ids and not k.has_numbers) = 1
           and count(*) filter (where k.has_lead) < 2
      from (select bool_or(i.kind in ('bsuid', 'parent_bsuid')) as has_ids,
                   bool_or(i.kind in ('phone', 'wa_id')) as has_numbers,
                   bool_or(i.kind = 'lead') as has_lead
              from chat.contact_identities i
             where i.tenant_id = p_tenant_id and i.contact_id in (p_one_id, p_other_id)
             group by i.contact_id) k
$$;

comment on function chat.is_same_contact is 'Whether two contacts are one person, seen from two sides.';
