-- api.delete_message_atomic: delete a message: its place in the log stays, its content goes.
--
-- Takes    p_message_id: one's own message, or in a group anybody's for owners and admins.
-- Returns  message, with content null.
-- Locks    the actor's member row, then the conversation row.
-- Writes   the message, its reactions, changes +1 (with the previous content), conversations.last_seq, outbox +1.
-- Retry    again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member, unsupported,
--          conversation_closed
create or replace function api.delete_message_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_message_id      uuid default null
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

    v_by := chat.participant(p_conversation_id, p_actor_id);
    if v_by.refusal is not null then
        return v_by.refusal;
    end if;
    if (v_by.conversation).kind = 'inbox' then
        return chat.fail('unsupported', 'what went out to a contact stays as it is');
    end if;

    v_message := chat.target_message(v_by.conversation, v_by.user_id, p_message_id);
    if v_message.id is null then
        return chat.fail('not_found', 'there is no such message');
    end if;
    if v_message.sender_id is null then
        return chat.fail('permission_denied', 'system messages stay');
    end if;
    if v_message.sender_id <> v_by.user_id
       and not ((v_by.conversation).kind = 'group' and v_by.role in ('owner', 'admin')) then
        return chat.fail('permission_denied', 'only its sender, or an owner or admin of the group, deletes a message');
    end if;
    if v_message.deleted_at is not null then
        return chat.changed_message(p_conversation_id, p_message_id, true);
    end if;
    if (v_by.conversation).closed_at is not null then
        return chat.fail('conversation_closed');
    end if;

    perform chat.withdraw_message(v_message, v_by.user_id);
    return chat.changed_message(p_conversation_id, p_message_id);
end
$$;

comment on function api.delete_message_atomic is 'Delete a message: its place in the log stays, its content goes.';
