-- api.edit_message_atomic: replace the content of one's own message.
--
-- Takes    p_content: the new text; p_expected_edited_at: the version the editor saw, that is the message's
--          edited_at, or created_at when it was never edited; null: whichever is there.
-- Returns  message.
-- Locks    the actor's member row, then the conversation row.
-- Writes   the message, changes +1 (with the previous content), conversations.last_seq, outbox +1; the ChatKit item it
--          stands for.
-- Retry    the same content again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member, unsupported,
--          blocked, edit_conflict, conversation_closed, too_large
create or replace function api.edit_message_atomic(
    p_conversation_id    uuid,
    p_actor_id           uuid default null,
    p_message_id         uuid default null,
    p_content            text default null,
    p_expected_edited_at timestamptz default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb;
    v_by      record;
    v_message chat.messages;
begin
    if p_message_id is null then
        return chat.invalid('message_id', 'is missing');
    end if;
    v_refusal := chat.message_refusal(p_content, null, 'text', null);
    if v_refusal is not null then
        return v_refusal;
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
    if v_message.sender_id is distinct from v_by.user_id then
        return chat.fail('permission_denied', 'only its sender edits a message');
    end if;
    if v_message.deleted_at is not null then
        return chat.fail('edit_conflict', 'the message was deleted');
    end if;
    if (v_by.conversation).kind = 'assistant' and v_message.type <> 'text'
       and exists (select from chat.thread_items i
                    where i.conversation_id = p_conversation_id and i.message_id = p_message_id) then
        return chat.fail('unsupported', 'what is no text changes with the item that ChatKit saves');
    end if;
    if v_message.content = p_content then
        return chat.changed_message(p_conversation_id, p_message_id, true);
    end if;
    if p_expected_edited_at <> coalesce(v_message.edited_at, v_message.created_at) then
        return chat.fail('edit_conflict', 'the message was edited since it was seen',
                         jsonb_build_object('edited_at', v_message.edited_at));
    end if;
    if (v_by.conversation).closed_at is not null then
        return chat.fail('conversation_closed');
    end if;
    if chat.is_blocked_pair(p_conversation_id, v_by.user_id) then
        return chat.fail('blocked');
    end if;

    update chat.messages m
       set content = p_content,
           edited_at = greatest(clock_timestamp(), coalesce(m.edited_at, m.created_at) + interval '1 microsecond')
     where m.conversation_id = p_conversation_id and m.id = p_message_id;
    if (v_by.conversation).kind = 'assistant' then
        perform chat.reword_item(p_conversation_id, p_message_id, p_content);
    end if;
    perform chat.append_change(p_conversation_id, 'message_edited', v_by.user_id, p_message_id, v_message.content);
    return chat.changed_message(p_conversation_id, p_message_id);
end
$$;

comment on function api.edit_message_atomic is
    'Replace the content of one''s own message; refused when it was deleted or edited since it was seen.';
