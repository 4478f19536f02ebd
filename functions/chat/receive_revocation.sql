-- chat.receive_revocation: a message is taken back by who sent it.
--
-- Takes    p_event: a revoke; p_contact_id: to whom its identities lead.
-- Returns  as chat.receive_event.
-- Writes   as chat.withdraw_message, once; a parked event when the message has not come. What was taken back wants no
--          answer of the responder any more.
create or replace function chat.receive_revocation(p_channel chat.channels, p_event jsonb, p_contact_id uuid)
returns jsonb
language plpgsql volatile
as $$
declare
    v_known      chat.provider_messages;
    v_message    chat.messages;
    v_contact_id uuid;
begin
    select p.* into v_known
      from chat.provider_messages p
     where p.channel_id = p_channel.channel_id and p.provider_message_id = p_event ->> 'target';
    if not found then
        perform chat.park_event(p_channel.channel_id, p_event ->> 'target', p_event);
        return '{"outcome": "parked"}'::jsonb;
    end if;
    v_contact_id := chat.unified_contact(p_contact_id, v_known.conversation_id);
    v_message := chat.known_message(p_channel.channel_id, p_event ->> 'target');
    if v_message.sender_id is null or v_message.deleted_at is not null then
        return '{"outcome": "duplicate"}'::jsonb;
    end if;
    perform chat.withdraw_message(
        v_message, case when p_event ->> 'by' = 'business' then p_channel.user_id else v_contact_id end);
    if p_channel.responder_id is not null then
        perform chat.ask_responder(v_message.conversation_id);
    end if;
    return '{"outcome": "changed"}'::jsonb;
end
$$;

comment on function chat.receive_revocation is 'A message is taken back by who sent it.';
