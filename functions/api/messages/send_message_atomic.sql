-- api.send_message_atomic: append one message to a conversation and wake whoever waits for it.
--
-- Takes    p_content: the text; p_client_message_id: the sender's key that makes this retryable;
--          p_type: text, or a type of the application's (then content may be null); p_metadata: an object;
--          p_reply_to_id: a message of the same conversation that the sender may see; p_source: what it comes from, if
--          not from the sender's own kind (chat.source_refusal).
-- Returns  message.
-- Rule     In an inbox conversation it is the desk that sends, and the message goes out to the contact
--          (chat.send_to_contact): all of it while the channel's reply window is open, later only templates.
-- Locks    the sender's member row (removal, blocks and retries wait their turn), then the conversation row
--          as late as possible: sooner only for a reply, or where there are blocks.
-- Writes   messages +1, conversations (last_seq, counters), the sender's sent_count, outbox +1; an
--          exclusion for each member of a group who has blocked the sender.
-- Retry    same client_message_id: the first message with "duplicate": true; other content is refused.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member, blocked,
--          idempotency_conflict, conversation_closed, window_closed, too_large
create or replace function api.send_message_atomic(
    p_conversation_id   uuid,
    p_actor_id          uuid default null,
    p_content           text default null,
    p_client_message_id text default null,
    p_type              text default 'text',
    p_metadata          jsonb default null,
    p_reply_to_id       uuid default null,
    p_source            text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal      jsonb;
    v_has_blocks   boolean;
    v_actor        record;
    v_conversation chat.conversations;
    v_previous     chat.messages;
    v_excluded     uuid[];
    v_message      jsonb;
begin
    v_refusal := chat.message_refusal(p_content, p_client_message_id, p_type, p_metadata);
    if v_refusal is not null then
        return v_refusal;
    end if;

    -- Lock, then look: nothing read before the lock may decide anything after it.
    perform from chat.members m
      where m.conversation_id = p_conversation_id and m.user_id = coalesce(p_actor_id, chat.subject())
        and m.left_seq is null and m.role not in ('agent', 'contact')
        for no key update;
    if not found then
        return chat.send_to_contact(p_conversation_id, p_actor_id, p_content, p_client_message_id, p_type, p_metadata,
                                    p_reply_to_id, p_source);
    end if;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    if p_source is not null then
        v_refusal := chat.source_refusal(p_source, v_actor.kind);
        if v_refusal is not null then
            return v_refusal;
        end if;
    end if;

    if p_client_message_id is not null then
        select m.* into v_previous
          from chat.messages m
         where m.conversation_id = p_conversation_id and m.sender_id = v_actor.user_id
           and m.client_message_id = p_client_message_id;
        if found then
            return chat.replayed(v_previous, v_actor.display_name, p_content, p_type, p_metadata, p_reply_to_id);
        end if;
    end if;
    v_has_blocks := exists (select from chat.blocks b where b.blocked_id = v_actor.user_id)
                    or exists (select from chat.blocks b where b.blocker_id = v_actor.user_id);
    if v_has_blocks or p_reply_to_id is not null then
        -- Until it is sent, nobody joins who has blocked the sender, and what it answers is not purged.
        v_conversation := chat.lock_conversation(p_conversation_id);
    end if;
    if p_reply_to_id is not null then
        v_previous := chat.target_message(v_conversation, v_actor.user_id, p_reply_to_id);
        if v_previous.id is null then
            return chat.invalid('reply_to_id', 'is not a message of this conversation');
        end if;
    end if;
    if v_has_blocks then
        if chat.is_blocked_pair(p_conversation_id, v_actor.user_id) then
            return chat.fail('blocked');
        end if;
        v_excluded := chat.excluded_members(p_conversation_id, v_actor.user_id);
    end if;

    -- Write. From here on it succeeds or raises.
    v_message := chat.append_message(
        p_conversation_id, v_actor.user_id, v_actor.display_name, coalesce(p_source, v_actor.kind), p_type, p_content,
        p_metadata, p_reply_to_id, p_client_message_id, v_excluded);
    if v_message is null then
        return chat.fail('conversation_closed');
    end if;
    return chat.ok(jsonb_build_object('message', v_message), 201);
end
$$;

comment on function api.send_message_atomic is
    'Append one message to a conversation; idempotent per (conversation, sender, client_message_id).';
