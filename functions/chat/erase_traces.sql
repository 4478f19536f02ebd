-- chat.erase_traces: removes what an erased user's messages leave behind, and what they did besides sending.
--
-- Takes    p_user_id: renamed, out of every group, their messages withdrawn. The caller holds the locks.
-- Writes   messages (keys, the words of system messages), changes (what was there before, who did it),
--          reactions, receipts, blocks, help_requests (closed), and the outbox: events on their way say what
--          the messages say now.
create or replace function chat.erase_traces(p_user_id uuid) returns void
language plpgsql volatile
as $$
begin
    update chat.changes ch
       set previous_content = null, data = '{}'
      from chat.messages t
      join chat.members m on m.conversation_id = t.conversation_id and m.user_id = t.sender_id
     where m.user_id = p_user_id and ch.conversation_id = t.conversation_id and ch.message_id = t.id
       and ch.kind in ('message_edited', 'message_deleted');
    update chat.changes ch
       set actor_id = null
      from chat.members m
     where m.user_id = p_user_id and ch.conversation_id = m.conversation_id and ch.actor_id = m.user_id;
    update chat.messages t
       set client_message_id = null
      from chat.members m
     where m.user_id = p_user_id and t.conversation_id = m.conversation_id and t.sender_id = m.user_id
       and t.client_message_id is not null;
    update chat.messages t
       set content = 'The members changed'
      from chat.members m
     where m.user_id = p_user_id and t.conversation_id = m.conversation_id and t.source = 'system'
       and (t.metadata -> 'user_ids' ? p_user_id::text or t.metadata ->> 'actor_id' = p_user_id::text);

    with gone as (
        delete from chat.reactions r
         using chat.members m
         where m.user_id = p_user_id and r.conversation_id = m.conversation_id and r.user_id = m.user_id
        returning r.conversation_id, r.message_id)
    update chat.messages t
       set reaction_count = t.reaction_count - g.count
      from (select gone.conversation_id, gone.message_id, count(*) from gone group by 1, 2) g
     where t.conversation_id = g.conversation_id and t.id = g.message_id;
    delete from chat.receipts r
     using chat.members m
     where m.user_id = p_user_id and r.conversation_id = m.conversation_id and r.user_id = m.user_id;
    -- In order: two who blocked each other may be erased at once.
    perform from chat.blocks b
      where p_user_id in (b.blocker_id, b.blocked_id)
      order by b.blocker_id, b.blocked_id
        for update;
    delete from chat.blocks b where p_user_id in (b.blocker_id, b.blocked_id);
    update chat.help_requests h
       set title = 'Erased', metadata = '{}', client_key = null, closed_at = coalesce(h.closed_at, clock_timestamp())
     where h.owner_id = p_user_id;

    update chat.outbox o
       set event = jsonb_set(o.event::jsonb, '{message}', chat.message_json(t, u.display_name))::text
      from chat.members m
      join chat.messages t on t.conversation_id = m.conversation_id
      left join chat.users u on u.user_id = t.sender_id
     where m.user_id = p_user_id and o.conversation_id = m.conversation_id
       and t.id = (o.event::jsonb #>> '{message,id}')::uuid;
end
$$;

comment on function chat.erase_traces is 'Remove what an erased user left behind outside their messages.';
