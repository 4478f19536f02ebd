-- api.link_contact_atomic: attach an identity to a contact: a lead, a phone number... Where it is another contact's,
-- the two are one from now on: the younger is merged into the older.
--
-- Takes    p_contact_id: the contact, also one that was merged, or the conversation with them; p_kind: phone (E.164) |
--          wa_id | bsuid | parent_bsuid | lead; p_value.
-- Returns  contact {id, display_name, identities}; conversation_id, null where there is no thread yet; merged: whether
--          two became one. Both histories are one log then, in time order; old ids lead to it.
-- Locks    linking in this tenant, and the identity's name; both contacts' rows, by id; in a merge what
--          chat.merge_contacts locks, else the conversation.
-- Writes   contact_identities, canonical_key, changes +1 (conversation_updated with the identity); in a merge all that
--          belongs to the other, see chat.merge_contacts; outbox.
-- Retry    what is so already changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, too_large
create or replace function api.link_contact_atomic(
    p_actor_id   uuid default null,
    p_contact_id uuid default null,
    p_kind       text default null,
    p_value      text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal         jsonb;
    v_more            jsonb := '{}'::jsonb;
    v_agent           record;
    v_identity        jsonb := jsonb_build_object(coalesce(p_kind, ''), p_value);
    v_found           uuid[];
    v_contact_id      uuid;
    v_conversation_id uuid;
begin
    v_refusal := coalesce(
        case when p_contact_id is null then chat.invalid('contact_id', 'is missing') end,
        chat.identity_refusal(p_kind, p_value, 'value', 'kind'));
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_agent := chat.agent(p_actor_id);
    if v_agent.refusal is not null then
        return v_agent.refusal;
    end if;

    p_contact_id := coalesce((select t.contact_id
                                from chat.threads t
                               where t.conversation_id = chat.resolved_conversation(p_contact_id)
                                 and t.tenant_id = v_agent.tenant_id), p_contact_id);

    -- One link at a time in a tenant: three at once, in a ring, would each hold whom the next one is to be merged with.
    perform chat.lock_names(array[format('%s/link', v_agent.tenant_id),
                                  format('%s/%s/%s', v_agent.tenant_id, p_kind, p_value)]);
    v_found := chat.identified_contacts(v_agent.tenant_id, v_identity, p_contact_id);
    v_contact_id := chat.resolved_contact(p_contact_id);
    perform from chat.users u
      where u.user_id = v_contact_id and u.user_id = any (v_found) and u.deactivated_at is null;
    if not found then
        return chat.fail('not_found', 'there is no such contact');
    end if;
    select t.conversation_id into v_conversation_id
      from chat.threads t where t.tenant_id = v_agent.tenant_id and t.contact_id = v_contact_id;

    if cardinality(v_found) = 2 then
        select array_agg(u.user_id order by u.created_at, u.user_id) into v_found
          from chat.users u where u.user_id = any (v_found);
        v_contact_id := v_found[1];
        v_conversation_id := chat.merge_contacts(v_found[1], v_found[2], v_agent.user_id);
    elsif exists (select from chat.contact_identities i
                   where i.tenant_id = v_agent.tenant_id and i.kind = p_kind and i.value = p_value
                     and i.contact_id = v_contact_id and i.retired_at is null) then
        v_more := '{"duplicate": true}';
    else
        perform chat.learn_identities(v_agent.tenant_id, v_contact_id, v_identity, clock_timestamp(), true);
        if v_conversation_id is not null then
            perform chat.append_change(
                v_conversation_id, 'conversation_updated', v_agent.user_id,
                p_data => jsonb_build_object('identity', jsonb_build_object('kind', p_kind, 'value', p_value)));
        end if;
    end if;
    return (select chat.ok(jsonb_build_object(
                       'contact', chat.contact_json(u), 'conversation_id', v_conversation_id,
                       'merged', cardinality(v_found) = 2) || v_more)
              from chat.users u
             where u.user_id = v_contact_id);
end
$$;

comment on function api.link_contact_atomic is
    'Attach an identity to a contact; where it is another one''s, the two contacts become one.';
