-- chat.receive_reply: a message answers another, which came later than the answer.
--
-- Takes    p_event: id, target: what answers what, by the provider's ids.
-- Returns  outcome.
-- Writes   messages.reply_to_id and a change that shows it, once; or a parked event.
create or replace function chat.receive_reply(p_channel chat.channels, p_event jsonb) returns jsonb
language plpgsql volatile
as $$
declare
    v_target  chat.provider_messages;
    v_message chat.messages;
begin
    select p.* into v_target
      from chat.provider_messages p
     where p.channel_id = p_channel.channel_id and p.provider_message_id = p_event ->> 'target';
    v_message := chat.known_message(p_channel.channel_id, p_event ->> 'id');
    if v_message.id is null or v_message.reply_to_id is not null then
        return '{"outcome": "ignored"}'::jsonb;
    end if;
    if v_target.conversation_id is null then
        perform chat.park_event(p_channel.channel_id, p_event ->> 'target', p_event);
        return '{"outcome": "parked"}'::jsonb;
    end if;
    perform chat.unified_contact(
        (select t.contact_id from chat.threads t where t.conversation_id = v_message.conversation_id),
        v_target.conversation_id);
    v_message := chat.known_message(p_channel.channel_id, p_event ->> 'id');
    perform from chat.messages m
      where m.conversation_id = v_message.conversation_id and m.id = v_target.message_id;
    if not found then
        return '{"outcome": "ignored"}'::jsonb;
    end if;
    update chat.messages m
       set reply_to_id = v_target.message_id
     where m.conversation_id = v_message.conversation_id and m.id = v_message.id;
    perform chat.append_change(v_message.conversation_id, 'message_edited', v_message.sender_id, v_message.id,
                               v_message.content);
    return '{"outcome": "changed"}'::jsonb;
end
$$;

comment on function chat.receive_reply is 'A message answers another that came later.';
