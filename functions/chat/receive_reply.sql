-- chat.receive_reply: a message answers another; told apart from it where the other one has not come yet.
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
    if not found then
        perform chat.park_event(p_channel.channel_id, p_event ->> 'target', p_event);
        return '{"outcome": "parked"}';
    end if;
    select m.* into v_message
      from chat.provider_messages p
      join chat.messages m on m.conversation_id = p.conversation_id and m.id = p.message_id
     where p.channel_id = p_channel.channel_id and p.provider_message_id = p_event ->> 'id';
    if v_message.reply_to_id is not null or v_target.message_id is null
       or v_message.conversation_id is distinct from v_target.conversation_id then
        return '{"outcome": "ignored"}';
    end if;
    update chat.messages m
       set reply_to_id = v_target.message_id
     where m.conversation_id = v_message.conversation_id and m.id = v_message.id;
    perform chat.append_change(v_message.conversation_id, 'message_edited', v_message.sender_id, v_message.id,
                               v_message.content);
    return '{"outcome": "changed"}';
end
$$;

comment on function chat.receive_reply is 'A message answers another that came later.';
