-- chat.merge_contacts: two contacts turned out to be one: their identities, logs and threads become the survivor's.
--
-- Takes    p_survivor_id, p_other_id: contacts of one tenant, not merged away, whose rows the caller has locked;
--          p_actor_id: who did it, null for what a provider's event told.
-- Returns  the survivor's conversation_id; null where neither has one.
-- Locks    both conversations, both threads, their deliveries.
-- Writes   contact_identities, users (the other is deactivated), redirects of its id and of its conversation's, the
--          merged log and its system message (contacts_merged), outbox: a reset of both conversations.
create or replace function chat.merge_contacts(
    p_survivor_id uuid,
    p_other_id    uuid,
    p_actor_id    uuid default null
) returns uuid
language plpgsql volatile
as $$
declare
    v_other chat.users;
    v_into  chat.threads;
    v_from  chat.threads;
begin
    select u.* into strict v_other from chat.users u where u.user_id = p_other_id;
    select t.* into v_into
      from chat.threads t where t.tenant_id = v_other.tenant_id and t.contact_id = p_survivor_id;
    select t.* into v_from
      from chat.threads t where t.tenant_id = v_other.tenant_id and t.contact_id = p_other_id;
    if v_into.conversation_id is null and v_from.conversation_id is not null then
        v_into := chat.open_thread(v_other.tenant_id, p_survivor_id, v_from.channel_id);
    end if;
    if v_from.conversation_id is not null then
        perform chat.merge_threads(v_into.conversation_id, v_from.conversation_id);
    end if;

    update chat.contact_identities i
       set contact_id = p_survivor_id
     where i.tenant_id = v_other.tenant_id and i.contact_id = p_other_id;
    update chat.users u
       set external_id = null, deactivated_at = coalesce(u.deactivated_at, clock_timestamp()),
           updated_at = clock_timestamp()
     where u.user_id = p_other_id;
    update chat.users u
       set external_id = coalesce(u.external_id, v_other.external_id), email = coalesce(u.email, v_other.email),
           updated_at = clock_timestamp()
     where u.user_id = p_survivor_id;
    update chat.redirects r set new_id = p_survivor_id where r.new_id = p_other_id;
    insert into chat.redirects (old_id, tenant_id, kind, new_id)
    values (p_other_id, v_other.tenant_id, 'contact', p_survivor_id);

    if v_into.conversation_id is not null then
        perform chat.refresh_key(v_other.tenant_id, p_survivor_id);
        perform chat.append_message(
            p_conversation_id => v_into.conversation_id,
            p_sender_id => null,
            p_sender_name => null,
            p_source => 'system',
            p_type => 'system',
            p_content => 'Two contacts turned out to be one',
            p_metadata => jsonb_strip_nulls(jsonb_build_object(
                'event', 'contacts_merged', 'actor_id', p_actor_id, 'contact_id', p_survivor_id,
                'merged_contact_id', p_other_id, 'merged_conversation_id', v_from.conversation_id)));
    end if;
    return v_into.conversation_id;
end
$$;

comment on function chat.merge_contacts is 'Make one contact of two: identities, logs and threads.';
