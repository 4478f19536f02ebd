-- chat.receive_system: a contact has another number, or another id, from now on.
--
-- Takes    p_event: a system event: contact is what they had, new what they have.
-- Returns  as chat.receive_event.
-- Writes   contact_identities, canonical keys, a system message, provider_messages +1; a merge where somebody was
--          seen with what is new before this was told; then what was parked for the message.
create or replace function chat.receive_system(p_channel chat.channels, p_event jsonb, p_contact_id uuid)
returns jsonb
language plpgsql volatile
as $$
declare
    v_at              timestamptz := (p_event ->> 'at')::timestamptz;
    v_new             jsonb := p_event -> 'new';
    v_contact_id      uuid := p_contact_id;
    v_other_id        uuid;
    v_conversation_id uuid;
    v_message         jsonb;
begin
    update chat.contact_identities i
       set retired_at = v_at
     where i.tenant_id = p_channel.tenant_id and i.contact_id = p_contact_id and i.retired_at is null
       and (v_new ? i.kind or i.kind in ('phone', 'wa_id') and v_new ?| '{phone,wa_id}')
       and v_new ->> i.kind is distinct from i.value
       and (i.learned_at <= v_at or p_event -> 'contact' ->> i.kind = i.value);
    -- Who has what is new, and was not seen with it before it became this contact's, is this contact.
    for v_other_id in
        select i.contact_id
          from jsonb_each_text(v_new) g (kind, value)
          join chat.contact_identities i
            on i.tenant_id = p_channel.tenant_id and i.kind = g.kind and i.value = g.value
         where i.contact_id <> p_contact_id and (i.retired_at is null or i.retired_at >= v_at)
         group by i.contact_id
        having min(i.learned_at) >= v_at
         order by i.contact_id
    loop
        v_contact_id := chat.merged_contact(v_contact_id, v_other_id);
    end loop;
    perform chat.learn_identities(p_channel.tenant_id, v_contact_id, v_new, v_at, true);

    select t.conversation_id into v_conversation_id
      from chat.threads t
     where t.contact_id = v_contact_id;
    v_message := chat.append_message(
        v_conversation_id, null, null, 'system', 'system',
        left(p_event ->> 'content', (select l.content_characters from chat.limits l)),
        jsonb_build_object('event', p_event -> 'event'));
    insert into chat.provider_messages (channel_id, provider_message_id, conversation_id, message_id, sent_at)
    values (p_channel.channel_id, p_event ->> 'id', v_conversation_id, (v_message ->> 'id')::uuid, v_at);
    perform chat.apply_parked(p_channel, p_event ->> 'id');
    return jsonb_build_object('outcome', 'received', 'message', v_message, 'contact_id', v_contact_id,
                              'conversation_id', v_conversation_id);
end
$$;

comment on function chat.receive_system is 'A contact has another number, or another id, from now on.';
