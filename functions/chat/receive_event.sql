-- chat.receive_event: takes in one event of a provider. Any order and any number of repetitions lead to the same.
--
-- Takes    p_event: in the neutral form (chat.event_problem says nothing against it).
-- Returns  outcome: received | changed | duplicate | parked | ignored; contact_id and conversation_id, and the
--          message where it is received; of a status what chat.apply_status tells.
-- Locks    chat.lock_events has been called with it.
create or replace function chat.receive_event(p_channel chat.channels, p_event jsonb) returns jsonb
language plpgsql volatile
as $$
declare
    v_kind  text := p_event ->> 'kind';
    v_known chat.provider_messages;
    v_from  record;
begin
    if v_kind = 'status' then
        return chat.apply_status(p_channel, p_event);
    end if;
    if v_kind in ('message', 'echo', 'system') then
        select p.* into v_known
          from chat.provider_messages p
         where p.channel_id = p_channel.channel_id and p.provider_message_id = p_event ->> 'id';
        if not v_known.is_awaited then
            return '{"outcome": "duplicate"}'::jsonb;
        end if;
    end if;

    v_from := chat.resolve_contact(
        p_channel, p_event -> 'contact', nullif(btrim(left(p_event ->> 'name', 200)), ''),
        (p_event ->> 'at')::timestamptz);
    return case v_kind
               when 'edit' then chat.receive_edit(p_channel, p_event, v_from.contact_id, v_from.conversation_id,
                                                  v_from.display_name)
               when 'revoke' then chat.receive_revocation(p_channel, p_event, v_from.contact_id)
               when 'reaction' then chat.receive_reaction(p_channel, p_event, v_from.contact_id)
               when 'system' then chat.receive_system(p_channel, p_event, v_from.contact_id)
               else case when v_known.is_awaited
                         then chat.receive_original(p_channel, p_event, v_from.contact_id, v_known)
                         else chat.receive_said(p_channel, p_event, v_from.contact_id, v_from.conversation_id,
                                                v_from.display_name) end end;
end
$$;

comment on function chat.receive_event is 'Take in one event of a provider.';
