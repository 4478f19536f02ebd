-- api.remove_reaction_atomic: take back one's own reaction.
--
-- Takes    p_emoji: as it was added.
-- Returns  message, with its reactions.
-- Locks    the actor's member row, then the conversation row.
-- Writes   reactions -1, messages.reaction_count, changes +1, conversations.last_seq, outbox +1.
-- Retry    again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member, unsupported,
--          conversation_closed
create or replace function api.remove_reaction_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_message_id      uuid default null,
    p_emoji           text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_by      record;
    v_message chat.messages;
begin
    if p_message_id is null then
        return chat.invalid('message_id', 'is missing');
    end if;
    if p_emoji is null then
        return chat.invalid('emoji', 'is missing');
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
    perform from chat.reactions r
      where r.conversation_id = p_conversation_id and r.message_id = p_message_id
        and r.user_id = v_by.user_id and r.emoji = p_emoji;
    if not found then
        return chat.changed_message(p_conversation_id, p_message_id, true);
    end if;
    if (v_by.conversation).closed_at is not null then
        return chat.fail('conversation_closed');
    end if;

    delete from chat.reactions r
     where r.conversation_id = p_conversation_id and r.message_id = p_message_id
       and r.user_id = v_by.user_id and r.emoji = p_emoji;
    update chat.messages m
       set reaction_count = m.reaction_count - 1
     where m.conversation_id = p_conversation_id and m.id = p_message_id;
    perform chat.append_change(p_conversation_id, 'reaction_removed', v_by.user_id, p_message_id,
                               p_data => jsonb_build_object('emoji', p_emoji));
    return chat.changed_message(p_conversation_id, p_message_id);
end
$$;

comment on function api.remove_reaction_atomic is 'Take back one''s own reaction.';
