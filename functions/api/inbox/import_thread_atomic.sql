-- api.import_thread_atomic: takes a thread over from an older inbox, all of it or nothing.
--
-- Takes    p_thread: an object of
--          channel_id: where it was held; identities: an array of {"kind": lead | phone | wa_id | ..., "value"}, those
--          used last first; display_name; started_at; last_read_at; is_closed;
--          unread_from: the contact's messages from then on have not been read, null: all have;
--          messages: an array of {"provider_message_id" or none, "source": contact | person | bot | automation, "type",
--          "content", "metadata", "created_at", "is_deleted"?}, and of outgoing ones "status": sent | failed |
--          delivered | read | played, "error"?.
-- Returns  conversation_id, contact_id, imported, existing: how many messages are new and how many were there,
--          created: whether the thread is new. 201, or 200 for a thread that was there.
-- Locks    the names of the identities and of the latest messages; the contacts, the channel's member row, the
--          conversation, its thread.
-- Writes   users, contact_identities, conversations, threads, members, messages, changes, provider_messages,
--          deliveries (nothing goes out), outbox: a reset. A thread that has a log gets the messages in their places
--          in time, numbered anew; see chat.renumber_log.
-- Retry    messages are known by channel and provider's id, those without one by all they say: nothing new is
--          "duplicate": true.
-- Fails    validation_error (details.items: item, problem), permission_denied, not_found
create or replace function api.import_thread_atomic(
    p_tenant_id uuid,
    p_thread    jsonb
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
declare
    v_refusal  jsonb := coalesce(chat.service_refusal(), chat.import_refusal(p_thread));
    v_messages jsonb := p_thread -> 'messages';
    v_given    bigint;
    v_first    timestamptz;
    v_last     timestamptz;
    v_inbound  timestamptz;
    v_channel  chat.channels;
    v_contact  record;
    v_thread   chat.threads;
    v_import   record;
    v_has_log  boolean;
    v_event    jsonb;
    v_position bigint;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    select c.* into v_channel
      from chat.channels c
     where c.channel_id = (p_thread ->> 'channel_id')::uuid and c.tenant_id = p_tenant_id;
    if not found then
        return chat.fail('not_found', 'there is no such channel in that tenant');
    end if;
    select count(*), min(t.at), max(t.at), max(t.at) filter (where m.message ->> 'source' = 'contact')
      into v_given, v_first, v_last, v_inbound
      from jsonb_array_elements(v_messages) m (message)
     cross join lateral (select (m.message ->> 'created_at')::timestamptz) t (at);
    v_first := coalesce(least(v_first, (p_thread ->> 'started_at')::timestamptz), clock_timestamp());

    -- Of the messages only the latest: statuses of these may still come.
    perform chat.lock_names(
        array(select format('%s/%s/%s', p_tenant_id, i.identity ->> 'kind', i.identity ->> 'value')
                from jsonb_array_elements(p_thread -> 'identities') i (identity))
        || array(select format('%s/%s', v_channel.channel_id, m.message ->> 'provider_message_id')
                   from jsonb_array_elements(v_messages) m (message)
                  order by (m.message ->> 'created_at')::timestamptz desc
                  limit 100));
    v_contact := chat.imported_contact(
        v_channel, p_thread -> 'identities',
        coalesce(left(nullif(p_thread ->> 'display_name', ''), (select l.name_characters from chat.limits l)),
                 p_thread #>> '{identities,0,value}'),
        v_first);
    v_thread := v_contact.thread;
    v_has_log := (select c.last_seq > 0 from chat.conversations c where c.conversation_id = v_thread.conversation_id);

    if exists (select from jsonb_array_elements(v_messages) m (message) where m.message ->> 'source' <> 'contact') then
        perform chat.join_desk(v_thread.conversation_id, p_tenant_id, v_channel.user_id);
    end if;
    v_import := chat.import_messages(v_thread, v_channel, v_messages, (p_thread ->> 'unread_from')::timestamptz);
    if v_has_log and v_import.imported > 0 then
        v_import.last_seq := chat.renumber_log(v_thread.conversation_id, v_import.read_seq);
    end if;
    update chat.conversations c
       set last_seq = v_import.last_seq,
           message_count = case when v_has_log then c.message_count else v_import.inbound end,
           last_message_at = greatest(c.last_message_at, v_last),
           created_at = least(c.created_at, v_first),
           closed_at = case when v_contact.created and (p_thread -> 'is_closed') = 'true' then coalesce(v_last, v_first)
                            else c.closed_at end
     where c.conversation_id = v_thread.conversation_id;
    update chat.threads t
       set last_inbound_at = greatest(t.last_inbound_at, v_inbound),
           last_inbound_seq = case when v_has_log then t.last_inbound_seq else v_import.inbound_seq end,
           last_activity_at = case when v_contact.created then coalesce(v_last, v_first)
                                   else greatest(t.last_activity_at, v_last) end,
           read_seq = case when v_has_log then t.read_seq else v_import.read_seq end,
           last_read_at = greatest(t.last_read_at, (p_thread ->> 'last_read_at')::timestamptz)
     where t.conversation_id = v_thread.conversation_id;
    perform chat.apply_parked(v_channel, p.provider_message_id)
       from (select distinct e.provider_message_id
               from jsonb_array_elements(v_messages) m (message)
               join chat.parked_events e
                 on e.channel_id = v_channel.channel_id
                and e.provider_message_id = m.message ->> 'provider_message_id') p;
    if not v_has_log and v_import.imported > 0 then
        v_event := jsonb_build_object(
            'type', 'reset', 'conversation_id', v_thread.conversation_id, 'last_seq', v_import.last_seq);
        v_position := chat.publish(v_thread.conversation_id, v_event::text, null, p_tenant_id);
    end if;

    return chat.ok(
        jsonb_build_object('conversation_id', v_thread.conversation_id, 'contact_id', v_thread.contact_id,
                           'created', v_contact.created, 'imported', v_import.imported,
                           'existing', v_given - v_import.imported)
        || case when v_contact.created or v_import.imported > 0 then '{}' else '{"duplicate": true}'::jsonb end,
        case when v_contact.created then 201 else 200 end);
end
$$;

comment on function api.import_thread_atomic is 'Take a thread over from an older inbox, all of it or nothing.';
