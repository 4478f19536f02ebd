-- api.open_thread_atomic: the thread with somebody the desk wants to write to, known or not.
--
-- Takes    p_contact: what they are known by, an object, kind to value: phone (E.164), wa_id, bsuid, parent_bsuid,
--          lead; p_display_name: for a new contact; p_channel_id: where answers to a new one go out; null: the tenant's
--          first channel.
-- Returns  conversation_id; thread, as in list_threads; "duplicate": true where it was there before.
-- Locks    the identities' names; the contact's row; the conversation, when its key changes.
-- Writes   users, contact_identities, conversations, members, threads, outbox, as far as they are new.
-- Retry    naturally: a contact has one thread.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, too_large
create or replace function api.open_thread_atomic(
    p_actor_id     uuid default null,
    p_contact      jsonb default null,
    p_display_name text default null,
    p_channel_id   uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal    jsonb;
    v_agent      record;
    v_channel_id uuid;
    v_found      uuid[];
    v_is_new     boolean;
    v_thread     chat.threads;
begin
    if p_contact is null or jsonb_typeof(p_contact) <> 'object' or p_contact = '{}' then
        return chat.invalid('contact', 'must be an object of what the contact is known by');
    end if;
    select r.refusal into v_refusal
      from jsonb_each(p_contact) g (kind, value)
     cross join lateral chat.identity_refusal(
            g.kind, case when jsonb_typeof(g.value) = 'string' then g.value #>> '{}' end, 'contact') r (refusal)
     where r.refusal is not null
     limit 1;
    v_refusal := coalesce(
        v_refusal,
        chat.text_refusal('display_name', p_display_name, (select l.name_characters from chat.limits l)));
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_agent := chat.agent(p_actor_id);
    if v_agent.refusal is not null then
        return v_agent.refusal;
    end if;
    select h.channel_id into v_channel_id
      from chat.channels h
     where h.tenant_id = v_agent.tenant_id and (p_channel_id is null or h.channel_id = p_channel_id)
     order by h.created_at, h.channel_id
     limit 1;
    if not found then
        return chat.fail('not_found', 'there is no such channel');
    end if;

    perform chat.lock_names(array(
        select format('%s/%s/%s', v_agent.tenant_id, g.kind, g.value) from jsonb_each_text(p_contact) g (kind, value)));
    v_found := chat.identified_contacts(v_agent.tenant_id, p_contact);
    if cardinality(v_found) > 1 then
        return chat.fail('validation_error', 'contact leads to several contacts: link them first',
                         jsonb_build_object('field', 'contact', 'contact_ids', to_jsonb(v_found)));
    end if;

    v_is_new := not exists (select from chat.threads t
                             where t.tenant_id = v_agent.tenant_id and t.contact_id = v_found[1]);
    if v_found = '{}' then
        v_thread := chat.new_contact(v_agent.tenant_id, v_channel_id, p_display_name, p_contact, clock_timestamp());
    else
        perform chat.learn_identities(v_agent.tenant_id, v_found[1], p_contact, clock_timestamp(), true);
        v_thread := chat.open_thread(v_agent.tenant_id, v_found[1], v_channel_id);
    end if;
    return chat.thread_result(v_thread.conversation_id,
                              case when v_is_new then '{}' else '{"duplicate": true}'::jsonb end,
                              case when v_is_new then 201 else 200 end);
end
$$;

comment on function api.open_thread_atomic is 'The thread with somebody the desk wants to write to, known or not.';
