-- chat.receive_reaction: the contact, or the business from its phone, reacts to a message: with one emoji at a time.
-- The newest by the provider's time wins.
--
-- Takes    p_event: a reaction, emoji null: it is taken back; p_contact_id: to whom its identities lead.
-- Returns  as chat.receive_event.
-- Writes   reactions, messages.reaction_count, changes +1 for each taken back or added; a parked event when the
--          message has not come.
create or replace function chat.receive_reaction(p_channel chat.channels, p_event jsonb, p_contact_id uuid)
returns jsonb
language plpgsql volatile
as $$
declare
    v_is_business boolean := p_event ->> 'by' = 'business';
    v_actor_id    uuid;
    v_contact_id  uuid;
    v_at          timestamptz := (p_event ->> 'at')::timestamptz;
    v_emoji       text := nullif(btrim(p_event ->> 'emoji'), '');
    v_known       chat.provider_messages;
    v_message     chat.messages;
    v_previous    text;
    v_seq         bigint;
begin
    select p.* into v_known
      from chat.provider_messages p
     where p.channel_id = p_channel.channel_id and p.provider_message_id = p_event ->> 'target';
    if not found then
        perform chat.park_event(p_channel.channel_id, p_event ->> 'target', p_event);
        return '{"outcome": "parked"}'::jsonb;
    end if;
    v_contact_id := chat.unified_contact(p_contact_id, v_known.conversation_id);
    v_actor_id := case when v_is_business then p_channel.user_id else v_contact_id end;
    v_message := chat.known_message(p_channel.channel_id, p_event ->> 'target');
    v_known.conversation_id := v_message.conversation_id;
    select r.emoji into v_previous
      from chat.reactions r
     where r.conversation_id = v_known.conversation_id and r.message_id = v_known.message_id
       and r.user_id = v_actor_id;
    -- Providers' clocks tick in seconds: of two reactions in one, the same wins in any order.
    if v_message.id is null or v_message.deleted_at is not null
       or (case when v_is_business then v_known.business_reacted_at else v_known.reacted_at end,
           coalesce(v_previous, '')) >= (v_at, coalesce(v_emoji, '')) then
        return '{"outcome": "duplicate"}'::jsonb;
    end if;

    update chat.provider_messages p
       set reacted_at = case when v_is_business then p.reacted_at else v_at end,
           business_reacted_at = case when v_is_business then v_at else p.business_reacted_at end
     where p.channel_id = v_known.channel_id and p.provider_message_id = v_known.provider_message_id;
    if v_previous is not distinct from v_emoji then
        return '{"outcome": "duplicate"}'::jsonb;
    end if;
    if v_is_business then
        perform chat.join_desk(v_known.conversation_id, p_channel.tenant_id, v_actor_id);
    end if;
    if v_previous is not null then
        delete from chat.reactions r
         where r.conversation_id = v_known.conversation_id and r.message_id = v_message.id
           and r.user_id = v_actor_id;
        update chat.messages m
           set reaction_count = m.reaction_count - 1
         where m.conversation_id = v_known.conversation_id and m.id = v_message.id;
        perform chat.append_change(v_known.conversation_id, 'reaction_removed', v_actor_id, v_message.id,
                                   p_data => jsonb_build_object('emoji', v_previous));
    end if;
    if v_emoji is not null then
        select c.last_seq + 1 into v_seq from chat.conversations c where c.conversation_id = v_known.conversation_id;
        insert into chat.reactions (conversation_id, message_id, user_id, emoji, seq)
        values (v_known.conversation_id, v_message.id, v_actor_id, v_emoji, v_seq);
        update chat.messages m
           set reaction_count = m.reaction_count + 1
         where m.conversation_id = v_known.conversation_id and m.id = v_message.id;
        perform chat.append_change(v_known.conversation_id, 'reaction_added', v_actor_id, v_message.id,
                                   p_data => jsonb_build_object('emoji', v_emoji));
    end if;
    return '{"outcome": "changed"}'::jsonb;
end
$$;

comment on function chat.receive_reaction is 'Someone outside reacts to a message, with one emoji at a time.';
