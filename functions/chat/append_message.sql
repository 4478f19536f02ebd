-- chat.append_message: writes one message at the end of a conversation's log. Checks nothing but that the
-- conversation is open: callers have refused everything else before.
--
-- Takes    p_sender_id, p_sender_name: null for a system message; p_excluded: members who are not to see it; p_id: its
--          id, where that had to be known before; null: a new one; p_even_closed: it was said elsewhere already.
-- Returns  the message's JSON, or null when the conversation is closed (a system message gets through).
-- Locks    the conversation row. Senders of one conversation queue here, and that queue is what makes seq
--          gapless and equal to commit order. The caller holds the sender's member row.
-- Writes   conversations (last_seq, counters), messages +1, the sender's sent_count, exclusions, outbox +1.
-- Rule     In an inbox only what the contact says is counted, as one desk reads it all; nobody's sent_count moves.
create or replace function chat.append_message(
    p_conversation_id   uuid,
    p_sender_id         uuid,
    p_sender_name       text,
    p_source            text,
    p_type              text,
    p_content           text,
    p_metadata          jsonb,
    p_reply_to_id       uuid default null,
    p_client_message_id text default null,
    p_excluded          uuid[] default null,
    p_id                uuid default null,
    p_even_closed       boolean default false
) returns jsonb
language plpgsql volatile
as $$
declare
    v_message  chat.messages;
    v_kind     text;
    v_desk_id  uuid;
    v_position bigint;
    v_json     jsonb;
begin
    update chat.conversations c
       set last_seq = c.last_seq + 1,
           message_count = c.message_count + case when p_source = 'contact' then 1
                                                  when p_source = 'system' or c.kind = 'inbox' then 0 else 1 end,
           last_message_at = greatest(clock_timestamp(), c.last_message_at)
     where c.conversation_id = p_conversation_id and (c.closed_at is null or p_source = 'system' or p_even_closed)
    returning c.last_seq, c.message_count, c.last_message_at, c.kind, case when c.kind = 'inbox' then c.tenant_id end
         into v_message.seq, v_message.ordinal, v_message.created_at, v_kind, v_desk_id;
    if not found then
        return null;
    end if;

    insert into chat.messages as m (conversation_id, seq, id, sender_id, source, type, content, metadata,
                                    reply_to_id, client_message_id, ordinal, created_at)
    values (p_conversation_id, v_message.seq, coalesce(p_id, chat.new_id()), p_sender_id, p_source, p_type, p_content,
            coalesce(p_metadata, '{}'), p_reply_to_id, p_client_message_id, v_message.ordinal, v_message.created_at)
    returning chat.message_json(m, p_sender_name) into v_json;

    if p_sender_id is not null and v_kind <> 'inbox' then
        update chat.members m
           set sent_count = m.sent_count + 1
         where m.conversation_id = p_conversation_id and m.user_id = p_sender_id;
    end if;
    if p_excluded is not null then
        insert into chat.exclusions (conversation_id, user_id, seq)
        select p_conversation_id, x.user_id, v_message.seq from unnest(p_excluded) x (user_id);
    end if;

    v_position := chat.publish(p_conversation_id, chat.message_event(v_json), p_excluded, v_desk_id);
    return v_json;
end
$$;

comment on function chat.append_message is 'Write one message at the end of a log and publish it.';
