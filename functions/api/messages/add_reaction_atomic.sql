-- api.add_reaction_atomic: react to a message with an emoji.
--
-- Takes    p_emoji: 1 to 32 characters without white space; the application decides which it offers.
-- Returns  message, with its reactions.
-- Locks    the actor's member row, then the conversation row.
-- Writes   reactions +1, messages.reaction_count, changes +1, conversations.last_seq, outbox +1.
-- Retry    again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member, unsupported,
--          blocked, edit_conflict, conversation_closed, too_large
create or replace function api.add_reaction_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_message_id      uuid default null,
    p_emoji           text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_most    integer := (select l.reactions_per_message from chat.limits l);
    v_by      record;
    v_message chat.messages;
begin
    if p_message_id is null then
        return chat.invalid('message_id', 'is missing');
    end if;
    if p_emoji is null or length(p_emoji) not between 1 and 32 or p_emoji ~ '\s' then
        return chat.invalid('emoji', 'must be 1 to 32 characters without white space');
    end if;

    v_by := chat.participant(p_conversation_id, p_actor_id);
    if v_by.refusal is not null then
        return v_by.refusal;
    end if;
    if (v_by.conversation).kind = 'inbox' then
        return chat.fail('unsupported', 'the desk does not react to messages');
    end if;

    v_message := chat.target_message(v_by.conversation, v_by.user_id, p_message_id);
    if v_message.id is null then
        return chat.fail('not_found', 'there is no such message');
    end if;
    if v_message.deleted_at is not null then
        return chat.fail('edit_conflict', 'the message was deleted');
    end if;
    perform from chat.reactions r
      where r.conversation_id = p_conversation_id and r.message_id = p_message_id
        and r.user_id = v_by.user_id and r.emoji = p_emoji;
    if found then
        return chat.changed_message(p_conversation_id, p_message_id, true);
    end if;
    if (v_by.conversation).closed_at is not null then
        return chat.fail('conversation_closed');
    end if;
    if chat.is_blocked_pair(p_conversation_id, v_by.user_id) then
        return chat.fail('blocked');
    end if;
    if v_message.reaction_count >= v_most then
        return chat.oversized('reactions', v_most, 'reactions');
    end if;

    insert into chat.reactions (conversation_id, message_id, user_id, emoji, seq)
    values (p_conversation_id, p_message_id, v_by.user_id, p_emoji, (v_by.conversation).last_seq + 1);
    update chat.messages m
       set reaction_count = m.reaction_count + 1
     where m.conversation_id = p_conversation_id and m.id = p_message_id;
    perform chat.append_change(p_conversation_id, 'reaction_added', v_by.user_id, p_message_id,
                               p_data => jsonb_build_object('emoji', p_emoji));
    return chat.changed_message(p_conversation_id, p_message_id);
end
$$;

comment on function api.add_reaction_atomic is 'React to a message with an emoji.';
