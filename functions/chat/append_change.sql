-- chat.append_change: writes one change at the end of a conversation's log. Call it after the change
-- itself is made: the event shows the message or conversation as it is then.
--
-- Takes    p_kind: a value of changes.kind; p_message_id: null for a change of the conversation;
--          p_previous_content, p_data: what was there before, and what the change is made of.
-- Returns  its log number.
-- Locks    the conversation row, which the caller already holds.
-- Writes   conversations.last_seq, changes +1, outbox +1.
create or replace function chat.append_change(
    p_conversation_id  uuid,
    p_kind             text,
    p_actor_id         uuid,
    p_message_id       uuid default null,
    p_previous_content text default null,
    p_data             jsonb default '{}'
) returns bigint
language plpgsql volatile
as $$
declare
    v_change   chat.changes;
    v_desk_id  uuid;
    v_position bigint;
begin
    update chat.conversations c
       set last_seq = c.last_seq + 1
     where c.conversation_id = p_conversation_id
    returning c.last_seq, case when c.kind = 'inbox' then c.tenant_id end into strict v_change.seq, v_desk_id;

    insert into chat.changes (conversation_id, seq, kind, message_id, actor_id, previous_content, data, created_at)
    values (p_conversation_id, v_change.seq, p_kind, p_message_id, p_actor_id, p_previous_content, p_data,
            clock_timestamp())
    returning * into v_change;

    v_position := chat.publish(
        p_conversation_id, chat.change_frame(v_change)::text,
        case when v_desk_id is null then chat.blind_members(p_conversation_id, p_message_id) end, v_desk_id);
    return v_change.seq;
end
$$;

comment on function chat.append_change is 'Write one change at the end of a log and publish it.';
