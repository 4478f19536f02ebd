-- chat.receive_said: a message of the contact, or one the business sent from its own phone, becomes one of the log.
--
-- Takes    p_event: a message or an echo; or an edit whose message has not come: it becomes the message;
--          p_contact_name: as they are called now.
-- Returns  as chat.receive_event.
-- Writes   messages, provider_messages, outbox +1, threads; reopens a closed conversation first; of an echo a
--          delivery that is out already, and a person takes over from the bot that answers; then what was parked for
--          the message; of the contact's a run, where the channel has a responder (chat.ask_responder).
create or replace function chat.receive_said(
    p_channel         chat.channels,
    p_event           jsonb,
    p_contact_id      uuid,
    p_conversation_id uuid,
    p_contact_name    text
) returns jsonb
language plpgsql volatile
as $$
declare
    v_is_edit         boolean := p_event ->> 'kind' = 'edit';
    v_id              text := case when v_is_edit then p_event ->> 'target' else p_event ->> 'id' end;
    v_is_echo         boolean := p_event ->> 'kind' = 'echo' or coalesce(p_event ->> 'by', '') = 'business';
    v_at              timestamptz := (p_event ->> 'at')::timestamptz;
    v_reply_to        text := nullif(p_event ->> 'reply_to', v_id);
    v_reply_id        uuid;
    v_type            text := p_event ->> 'type';
    v_content         text := p_event ->> 'content';
    v_known           chat.provider_messages;
    v_message         jsonb;
    v_message_id      uuid;
    v_has_parked      boolean;
    v_contact_id      uuid := p_contact_id;
    v_sender_id       uuid;
    v_conversation_id uuid := p_conversation_id;
    v_now             timestamptz;
    v_takes_over      boolean;
    v_taken_over_at   timestamptz;
begin
    if v_reply_to is not null then
        select p.* into v_known
          from chat.provider_messages p
         where p.channel_id = p_channel.channel_id and p.provider_message_id = v_reply_to;
        v_reply_id := v_known.message_id;
        if v_known.conversation_id <> p_conversation_id then
            v_contact_id := chat.unified_contact(p_contact_id, v_known.conversation_id);
            select t.conversation_id into v_conversation_id
              from chat.threads t
             where t.contact_id = v_contact_id;
            if not exists (select from chat.messages m
                            where m.conversation_id = v_conversation_id and m.id = v_reply_id) then
                v_reply_id := null;
            end if;
        end if;
    end if;
    if v_type = 'text' and v_content is null then
        v_content := '';
    elsif length(v_content) > 1000 then
        -- No limit for a message's content is as low as that.
        v_content := left(v_content, (select l.content_characters from chat.limits l));
    end if;

    v_sender_id := case when v_is_echo then p_channel.user_id else v_contact_id end;
    if v_is_echo then
        perform chat.join_desk(v_conversation_id, p_channel.tenant_id, p_channel.user_id);
    end if;
    loop
        v_message := chat.append_message(
            v_conversation_id, v_sender_id,
            case when v_is_echo then p_channel.display_name else p_contact_name end,
            case when v_is_echo then 'person' else 'contact' end,
            v_type, v_content, chat.fitted_metadata(p_event -> 'metadata'), v_reply_id);
        exit when v_message is not null;
        update chat.conversations c set closed_at = null where c.conversation_id = v_conversation_id;
        perform chat.append_change(v_conversation_id, 'conversation_reopened', v_sender_id);
    end loop;

    v_message_id := (v_message ->> 'id')::uuid;
    insert into chat.provider_messages (channel_id, provider_message_id, conversation_id, message_id, sent_at,
                                        edited_at, is_awaited)
    values (p_channel.channel_id, v_id, v_conversation_id, v_message_id, v_at,
            case when v_is_edit then v_at end, v_is_edit)
    returning exists (select from chat.parked_events k
                       where k.channel_id = p_channel.channel_id and k.provider_message_id = v_id)
         into v_has_parked;
    if v_is_echo then
        insert into chat.deliveries (conversation_id, message_id, channel_id, status, sent_at)
        values (v_conversation_id, v_message_id, p_channel.channel_id, 'sent', v_at);
        v_now := clock_timestamp();
        update chat.threads t
           set last_activity_at = greatest(t.last_activity_at, (v_message ->> 'created_at')::timestamptz),
               taken_over_at = coalesce(t.taken_over_at, v_now)
         where t.conversation_id = v_conversation_id
        returning t.taken_over_at = v_now into v_takes_over;
        if v_takes_over then
            perform chat.cancel_active_run(v_conversation_id);
        end if;
    else
        update chat.threads t
           set channel_id = p_channel.channel_id,
               -- An edit opens no window: what was said at first will, when it comes.
               last_inbound_at = case when v_is_edit then t.last_inbound_at else greatest(t.last_inbound_at, v_at) end,
               last_inbound_seq = (v_message ->> 'seq')::bigint,
               last_activity_at = greatest(t.last_activity_at, (v_message ->> 'created_at')::timestamptz)
         where t.conversation_id = v_conversation_id
        returning t.taken_over_at into v_taken_over_at;
    end if;

    if v_reply_to is not null and v_known.conversation_id is null then
        perform chat.park_event(p_channel.channel_id, v_reply_to,
                                jsonb_build_object('kind', 'reply', 'target', v_reply_to, 'id', v_id, 'at', v_at));
    end if;
    if v_has_parked then
        perform chat.apply_parked(p_channel, v_id);
    end if;
    if p_channel.responder_id is not null and v_taken_over_at is null and not v_is_echo then
        -- What was parked may have made one contact of two, whose log is numbered anew.
        perform chat.ask_responder(
            v_conversation_id, case when not v_has_parked then (v_message ->> 'seq')::bigint - 1 end);
    end if;
    return jsonb_build_object('outcome', 'received', 'message', v_message, 'contact_id', v_contact_id,
                              'conversation_id', v_conversation_id);
end
$$;

comment on function chat.receive_said is 'A message from outside becomes one of the log.';
