-- chat.lock_inbox: chat.lock_conversation for an id that may have been merged away, also while we waited for it.
--
-- Returns  the row that is there now, locked; all null when there is none.
-- Locks    the conversation row.
create or replace function chat.lock_inbox(p_conversation_id uuid) returns chat.conversations
language plpgsql volatile
as $$
declare
    v_id           uuid := p_conversation_id;
    v_conversation chat.conversations;
begin
    loop
        v_conversation := chat.lock_conversation(v_id);
        exit when v_conversation.conversation_id is not null;
        select r.new_id into v_id from chat.redirects r where r.old_id = v_id and r.kind = 'conversation';
        exit when not found;
    end loop;
    return v_conversation;
end
$$;

comment on function chat.lock_inbox is 'Lock the row of a conversation, or of what it was merged into.';
