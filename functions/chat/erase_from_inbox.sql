-- chat.erase_from_inbox: removes what an erased user leaves behind in the inbox: an agent the answers that have not
-- gone out; a contact what they are known by, what providers sent about them, and their traces in their thread, where
-- no bot answers any more what they had asked.
--
-- Takes    p_user_id: renamed, their messages withdrawn. The caller holds the user's row and their conversations'.
-- Writes   deliveries, contact_identities, canonical_key, webhooks (emptied: their digests still tell a repetition),
--          parked_events, users (contacts merged into this one), the words of system messages, the thread's title,
--          what its changes say of both; the outbox: events on their way say what is there now.
-- Cost     reads all payloads that are kept, for a contact.
create or replace function chat.erase_from_inbox(p_user_id uuid) returns void
language plpgsql volatile
as $$
declare
    v_user chat.users;
    v_id   uuid;
begin
    select u.* into strict v_user from chat.users u where u.user_id = p_user_id;
    select t.conversation_id into v_id
      from chat.threads t where t.tenant_id = v_user.tenant_id and t.contact_id = p_user_id;

    perform from chat.deliveries d
      join chat.messages m on m.conversation_id = d.conversation_id and m.id = d.message_id
      where d.conversation_id in (select o.conversation_id from chat.members o where o.user_id = p_user_id)
        and d.status = 'queued' and (m.sender_id = p_user_id or d.conversation_id = v_id)
      order by d.conversation_id, d.message_id
        for no key update of d;
    update chat.deliveries d
       set status = 'failed', failed_at = clock_timestamp(), error = '{"code": "erased"}'
      from chat.messages m
     where d.conversation_id in (select o.conversation_id from chat.members o where o.user_id = p_user_id)
       and m.conversation_id = d.conversation_id and m.id = d.message_id
       and d.status = 'queued' and (m.sender_id = p_user_id or d.conversation_id = v_id);
    if v_user.kind <> 'contact' then
        return;
    end if;

    perform chat.cancel_active_run(v_id);
    update chat.deliveries d
       set error = jsonb_build_object('code', d.error -> 'code')
     where d.conversation_id = v_id and d.error is not null;
    update chat.webhooks w
       set payload = ''
      from chat.contact_identities i
     where i.tenant_id = v_user.tenant_id and i.contact_id = p_user_id and i.kind <> 'lead'
       and strpos(w.payload, ltrim(i.value, '+')) > 0;
    delete from chat.parked_events p
     using chat.contact_identities i
     where i.tenant_id = v_user.tenant_id and i.contact_id = p_user_id
       and p.event #>> array['contact', i.kind] = i.value;
    delete from chat.contact_identities i where i.tenant_id = v_user.tenant_id and i.contact_id = p_user_id;
    perform chat.refresh_key(v_user.tenant_id, p_user_id);
    update chat.users u
       set display_name = v_user.display_name, email = null, external_id = null,
           erased_at = clock_timestamp(), updated_at = clock_timestamp()
      from chat.redirects r
     where r.new_id = p_user_id and r.kind = 'contact' and u.user_id = r.old_id and u.erased_at is null;
    update chat.messages m
       set content = 'The contact changed', metadata = jsonb_build_object('event', m.metadata -> 'event')
     where m.conversation_id = v_id and m.source = 'system';
    update chat.conversations c set title = null where c.conversation_id = v_id;
    update chat.changes ch
       set data = ch.data - '{identity,title,metadata}'::text[]
     where ch.conversation_id = v_id and ch.kind = 'conversation_updated';
    -- Whoever shows a conversation that was merged away is told to look again: that says it all.
    delete from chat.outbox o
     using chat.redirects r
     where r.new_id = v_id and r.kind = 'conversation' and o.conversation_id = r.old_id
       and o.event::jsonb ->> 'type' <> 'reset';
    update chat.outbox o
       set event = jsonb_set(o.event::jsonb, '{conversation}', chat.conversation_json(c))::text
      from chat.conversations c
     where o.conversation_id = v_id and c.conversation_id = v_id and o.event::jsonb ? 'conversation';
    update chat.outbox o
       set event = jsonb_set(o.event::jsonb, '{message}', chat.message_json(m, null))::text
      from chat.messages m
     where o.conversation_id = v_id and m.conversation_id = v_id and m.source = 'system'
       and m.id = (o.event::jsonb #>> '{message,id}')::uuid;
end
$$;

comment on function chat.erase_from_inbox is 'Remove what an erased user left behind in the inbox.';
