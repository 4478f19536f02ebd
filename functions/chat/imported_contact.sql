-- chat.imported_contact: whose thread is imported: found by lead or number, made when there is nobody.
--
-- Takes    p_identities: an array of {"kind", "value"}, those used last first; p_name: for a new contact; p_at: since
--          when they are known.
-- Returns  thread (locked), created: whether it is new.
-- Locks    the names of the identities are locked by the caller; the contacts they lead to, by id; in a merge what
--          chat.merge_contacts locks; else the conversation and its thread.
-- Writes   users, contact_identities, threads; a merge, where lead and number lead to two and the latter has no lead.
-- Rule     What is known now is newer than what is imported: identities of others stay theirs, and a contact of
--          another lead is somebody else.
create or replace function chat.imported_contact(
    p_channel    chat.channels,
    p_identities jsonb,
    p_name       text,
    p_at         timestamptz,
    out thread   chat.threads,
    out created  boolean
)
language plpgsql volatile
as $$
declare
    v_lead       text;
    v_seen       uuid[];
    v_found      uuid[];
    v_contact_id uuid;
begin
    select i.identity ->> 'value' into v_lead
      from jsonb_array_elements(p_identities) i (identity) where i.identity ->> 'kind' = 'lead' limit 1;
    -- Lock whom they lead to, then look whether they still do: a merge locks contacts, but no names.
    loop
        v_seen := v_found;
        v_found := array(
            select f.contact_id
              from (select i.contact_id, bool_or(i.kind = 'lead') as by_lead, max(i.learned_at) as learned_at
                      from jsonb_array_elements(p_identities) g (identity)
                      join chat.contact_identities i
                        on i.tenant_id = p_channel.tenant_id and i.kind = g.identity ->> 'kind'
                       and i.value = g.identity ->> 'value'
                     where i.retired_at is null
                     group by i.contact_id) f
             where f.by_lead or v_lead is null
                or not exists (select from chat.contact_identities o
                                where o.tenant_id = p_channel.tenant_id and o.contact_id = f.contact_id
                                  and o.kind = 'lead')
             order by f.by_lead desc, f.learned_at desc, f.contact_id);
        exit when v_found = v_seen;
        perform from chat.users u where u.user_id = any (v_found) order by u.user_id for no key update;
    end loop;

    v_contact_id := v_found[1];
    if v_contact_id is null then
        v_contact_id := chat.new_id();
        insert into chat.users (user_id, tenant_id, kind, display_name)
        values (v_contact_id, p_channel.tenant_id, 'contact', p_name);
    elsif v_lead is not null then
        perform chat.merge_contacts(v_contact_id, o.contact_id)
           from unnest(v_found[2:]) with ordinality o (contact_id, position)
          order by o.position;
    end if;
    insert into chat.contact_identities (tenant_id, kind, value, contact_id, learned_at)
    select p_channel.tenant_id, g.identity ->> 'kind', g.identity ->> 'value', v_contact_id,
           p_at - (g.position - 1) * interval '1 microsecond'
      from jsonb_array_elements(p_identities) with ordinality g (identity, position)
        on conflict do nothing;
    perform chat.refresh_key(p_channel.tenant_id, v_contact_id);

    created := not exists (select from chat.threads t
                            where t.tenant_id = p_channel.tenant_id and t.contact_id = v_contact_id);
    thread := chat.open_thread(p_channel.tenant_id, v_contact_id, p_channel.channel_id);
    perform chat.lock_conversation(thread.conversation_id);
    thread := chat.lock_thread(thread.conversation_id);
end
$$;

comment on function chat.imported_contact is 'Whose thread is imported: found by lead or number, or made.';
