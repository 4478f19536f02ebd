-- chat.resolve_contact: who wrote: found by any of the identities an event gives, made when there is nobody.
--
-- Takes    p_contact: an object, kind to value, of phone, wa_id, bsuid, parent_bsuid; p_name: what they call
--          themselves, null: not told; p_at: the provider's time.
-- Returns  contact_id, conversation_id (of their thread), display_name.
-- Locks    names, contacts and conversations are locked by chat.lock_events.
-- Writes   nothing for whom we know; else what is new about them.
-- Rule     An identity leads to its contact, a retired one for what was sent before. Where identities lead to two
--          contacts, they turn out to be one (chat.is_same_contact), or the strongest identity decides (a
--          business-scoped id before a number) and the others go over to it.
create or replace function chat.resolve_contact(
    p_channel           chat.channels,
    p_contact           jsonb,
    p_name              text,
    p_at                timestamptz,
    out contact_id      uuid,
    out conversation_id uuid,
    out display_name    text
)
language plpgsql volatile
as $$
declare
    v_thread chat.threads;
begin
    -- Nearly always everything leads to the same contact and has since before the event. Each identity is looked
    -- up in the key's index, whatever the planner believes of a table that was empty a moment ago.
    select u.user_id, t.conversation_id, u.display_name
      into resolve_contact.contact_id, resolve_contact.conversation_id, resolve_contact.display_name
      from (select min(i.contact_id::text) as first, max(i.contact_id::text) as last,
                   count(*) = count(i.contact_id) as all_known
              from jsonb_each_text(p_contact) g (kind, value)
              left join lateral (select x.contact_id
                                   from chat.contact_identities x
                                  where x.tenant_id = p_channel.tenant_id and x.kind = g.kind and x.value = g.value
                                    and x.learned_at <= p_at and (x.retired_at is null or x.retired_at >= p_at)
                                  limit 1) i on true) f
      join chat.users u on u.user_id = f.first::uuid
      join chat.threads t on t.contact_id = u.user_id
     where f.all_known and f.first = f.last;
    if not found then
        contact_id := chat.recognised_contact(p_channel.tenant_id, p_contact, p_at);
        if contact_id is null then
            v_thread := chat.new_contact(p_channel.tenant_id, p_channel.channel_id, p_name, p_contact, p_at);
            contact_id := v_thread.contact_id;
        else
            v_thread := chat.open_thread(p_channel.tenant_id, contact_id, p_channel.channel_id);
        end if;
        conversation_id := v_thread.conversation_id;
        select u.display_name into resolve_contact.display_name
          from chat.users u
         where u.user_id = v_thread.contact_id;
    end if;
    if p_name <> display_name then
        display_name := p_name;
        update chat.users u
           set display_name = p_name, updated_at = clock_timestamp()
         where u.user_id = resolve_contact.contact_id;
    end if;
end
$$;

comment on function chat.resolve_contact is 'Who wrote: found by any of their identities, or made.';
