-- chat.send_to_contact: api.send_message_atomic in an inbox conversation: someone of the desk answers the contact, and
-- the message has to go out. In a conversation of another kind it is for members, which this sender is not.
--
-- Takes    the arguments of api.send_message_atomic, which have passed chat.message_refusal; p_conversation_id may be
--          that of a conversation that was merged.
-- Locks    the sender's user row, shared (deactivation and erasure wait their turn); the conversation; its thread.
-- Writes   as chat.write_to_contact.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member, idempotency_conflict,
--          conversation_closed, window_closed
create or replace function chat.send_to_contact(
    p_conversation_id   uuid,
    p_actor_id          uuid,
    p_content           text,
    p_client_message_id text,
    p_type              text,
    p_metadata          jsonb,
    p_reply_to_id       uuid,
    p_source            text
) returns jsonb
language plpgsql volatile
as $$
declare
    v_refusal      jsonb;
    v_actor        record;
    v_conversation chat.conversations;
    v_thread       chat.threads;
    v_previous     chat.messages;
    v_message      jsonb;
begin
    if exists (select from chat.conversations c
                where c.conversation_id = chat.resolved_conversation(p_conversation_id) and c.kind = 'inbox') then
        perform from chat.users u where u.user_id = coalesce(p_actor_id, chat.subject()) for share;
        v_conversation := chat.lock_inbox(p_conversation_id);
    end if;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    if (chat.desk_conversation(v_conversation.conversation_id, v_actor.user_id)).conversation_id is null then
        return chat.outsider(p_conversation_id, v_actor.tenant_id);
    end if;
    v_refusal := chat.source_refusal(p_source, v_actor.kind);
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_thread := chat.lock_thread(v_conversation.conversation_id);

    if p_client_message_id is not null then
        select m.* into v_previous
          from chat.messages m
         where m.conversation_id = v_conversation.conversation_id and m.sender_id = v_actor.user_id
           and m.client_message_id = p_client_message_id;
        if found then
            return chat.replayed(v_previous, v_actor.display_name, p_content, p_type, p_metadata, p_reply_to_id);
        end if;
    end if;
    if p_reply_to_id is not null and not exists (
           select from chat.messages m
            where m.conversation_id = v_conversation.conversation_id and m.id = p_reply_to_id) then
        return chat.invalid('reply_to_id', 'is not a message of this conversation');
    end if;
    if v_conversation.closed_at is not null then
        return chat.fail('conversation_closed');
    end if;
    v_refusal := chat.window_refusal(v_thread, p_type);
    if v_refusal is not null then
        return v_refusal;
    end if;

    -- Write. From here on it succeeds or raises.
    v_message := chat.write_to_contact(
        v_thread, v_actor.user_id, v_actor.display_name, coalesce(p_source, v_actor.kind), p_type, p_content,
        p_metadata, p_reply_to_id, p_client_message_id);
    return chat.ok(jsonb_build_object('message', v_message), 201);
end
$$;

comment on function chat.send_to_contact is 'Answer the contact of an inbox conversation: the message has to go out.';
