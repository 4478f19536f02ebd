-- chat.set_closed: closes or reopens a conversation.
--
-- Returns  the success result: conversation; "duplicate": true when it is so already; or a refusal.
-- Locks    the actor's member row, then the conversation row, then its thread's.
-- Writes   conversations.closed_at, changes +1, outbox +1. Of an inbox conversation that is closed also
--          threads.taken_over_at: what is new there begins with the bot.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function chat.set_closed(p_conversation_id uuid, p_actor_id uuid, p_closed boolean) returns jsonb
language plpgsql volatile
as $$
declare
    v_by      record := chat.participant(p_conversation_id, p_actor_id);
    v_refusal jsonb;
    v_id      uuid;
begin
    if v_by.refusal is not null then
        return v_by.refusal;
    end if;
    v_id := (v_by.conversation).conversation_id;
    v_refusal := chat.manager_refusal(v_by.conversation, v_by.role);
    if v_refusal is not null then
        return v_refusal;
    end if;
    if ((v_by.conversation).closed_at is not null) = p_closed then
        return chat.changed_conversation(v_id, true);
    end if;

    update chat.conversations c
       set closed_at = case when p_closed then clock_timestamp() end
     where c.conversation_id = v_id;
    if p_closed and (v_by.conversation).kind = 'inbox' then
        update chat.threads t
           set taken_over_at = null
         where t.conversation_id = v_id and t.taken_over_at is not null;
    end if;
    perform chat.append_change(
        v_id, case when p_closed then 'conversation_closed' else 'conversation_reopened' end,
        v_by.user_id);
    return chat.changed_conversation(v_id);
end
$$;

comment on function chat.set_closed is 'Close or reopen a conversation.';
