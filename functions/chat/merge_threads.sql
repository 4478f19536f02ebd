-- chat.merge_threads: makes one log of two inbox conversations, in time order, and one thread.
--
-- Takes    p_into, p_from: conversation ids. The caller has locked both contacts.
-- Locks    both conversations, both threads, their deliveries, their runs; each kind by id.
-- Writes   everything that belongs to either, a redirect, outbox: a reset of both. See chat.renumber_log.
-- Rule     What a bot was about to answer in either is cancelled: where one owed an answer, it is owed once, to all
--          that was said.
-- Cost     both logs are written once more.
create or replace function chat.merge_threads(p_into uuid, p_from uuid) returns void
language plpgsql volatile
as $$
declare
    v_into     chat.threads;
    v_from     chat.threads;
    v_offset   bigint;
    v_reopens  boolean;
    v_asked    uuid[];
    v_asked_at bigint;
    v_event    jsonb;
    v_position bigint;
begin
    perform from chat.conversations c
      where c.conversation_id in (p_into, p_from) order by c.conversation_id for update;
    perform from chat.threads t
      where t.conversation_id in (p_into, p_from) order by t.conversation_id for update;
    perform from chat.deliveries d
      where d.conversation_id in (p_into, p_from) order by d.conversation_id, d.message_id for update;
    select t.* into strict v_into from chat.threads t where t.conversation_id = p_into;
    select t.* into strict v_from from chat.threads t where t.conversation_id = p_from;
    v_asked := array(
        select r.message_id from chat.runs r
         where r.conversation_id in (p_into, p_from) and r.status in ('queued', 'in_progress'));
    perform chat.cancel_active_run(p_into);
    perform chat.cancel_active_run(p_from);
    -- Beyond both: old numbers of either log are behind the horizon then.
    select max(c.last_seq), bool_or(c.closed_at is not null and c.conversation_id = p_into)
                            and bool_or(c.closed_at is null)
      into v_offset, v_reopens
      from chat.conversations c
     where c.conversation_id in (p_into, p_from);

    insert into chat.members (conversation_id, user_id, tenant_id, role, joined_seq, delivered_seq, read_seq, joined_at)
    select p_into, m.user_id, m.tenant_id, m.role, 0, 0, 0, m.joined_at
      from chat.members m
     where m.conversation_id = p_from and m.role = 'agent'
        on conflict (conversation_id, user_id) do nothing;
    -- A key that an agent used in both threads remains that of the survivor's message.
    insert into chat.messages (conversation_id, seq, id, sender_id, source, type, content, metadata, reply_to_id,
                               client_message_id, ordinal, reaction_count, created_at, edited_at, deleted_at)
    select p_into, v_offset + m.seq, m.id,
           case m.sender_id when v_from.contact_id then v_into.contact_id else m.sender_id end, m.source, m.type,
           m.content, m.metadata, m.reply_to_id,
           case when not exists (select from chat.messages k
                                  where k.conversation_id = p_into and k.sender_id = m.sender_id
                                    and k.client_message_id = m.client_message_id) then m.client_message_id end,
           0, m.reaction_count, m.created_at, m.edited_at, m.deleted_at
      from chat.messages m
     where m.conversation_id = p_from;
    -- What hangs on messages follows them.
    update chat.changes ch
       set conversation_id = p_into, seq = v_offset + ch.seq,
           actor_id = case ch.actor_id when v_from.contact_id then v_into.contact_id else ch.actor_id end
     where ch.conversation_id = p_from;
    update chat.reactions r
       set conversation_id = p_into, seq = v_offset + r.seq,
           user_id = case r.user_id when v_from.contact_id then v_into.contact_id else r.user_id end
     where r.conversation_id = p_from;
    update chat.provider_messages p set conversation_id = p_into where p.conversation_id = p_from;
    update chat.deliveries d set conversation_id = p_into where d.conversation_id = p_from;
    update chat.runs r
       set conversation_id = p_into, input_seq = case when r.input_seq > 0 then v_offset + r.input_seq else 0 end,
           actor_id = case r.actor_id when v_from.contact_id then v_into.contact_id else r.actor_id end
     where r.conversation_id = p_from;
    perform chat.renumber_log(p_into, v_offset + v_from.read_seq);

    update chat.threads t
       set channel_id = case when v_from.last_inbound_at > t.last_inbound_at or t.last_inbound_at is null
                             then v_from.channel_id else t.channel_id end,
           assignee_id = coalesce(t.assignee_id, v_from.assignee_id),
           last_inbound_at = greatest(t.last_inbound_at, v_from.last_inbound_at),
           last_activity_at = greatest(t.last_activity_at, v_from.last_activity_at),
           last_read_at = greatest(t.last_read_at, v_from.last_read_at),
           taken_over_at = greatest(t.taken_over_at, v_from.taken_over_at)
     where t.conversation_id = p_into;
    update chat.conversations c
       set metadata = o.metadata || c.metadata,
           title = coalesce(c.title, o.title),
           created_at = least(c.created_at, o.created_at),
           closed_at = case when o.closed_at is not null then c.closed_at end,
           member_count = (select count(*) from chat.members m
                            where m.conversation_id = p_into and m.left_seq is null)
      from chat.conversations o
     where c.conversation_id = p_into and o.conversation_id = p_from;

    delete from chat.threads t where t.conversation_id = p_from;
    delete from chat.messages m where m.conversation_id = p_from;
    delete from chat.members m where m.conversation_id = p_from;
    delete from chat.conversations c where c.conversation_id = p_from;
    update chat.redirects r set new_id = p_into where r.new_id = p_from;
    insert into chat.redirects (old_id, tenant_id, kind, new_id)
    values (p_from, v_from.tenant_id, 'conversation', p_into);

    select jsonb_build_object('type', 'reset', 'conversation_id', p_from, 'last_seq', c.last_seq, 'merged_into', p_into)
      into v_event
      from chat.conversations c
     where c.conversation_id = p_into;
    v_position := chat.publish(p_from, v_event::text, null, v_from.tenant_id);
    if v_reopens then
        perform chat.append_change(p_into, 'conversation_reopened', v_into.contact_id);
    end if;
    select min(m.seq) - 1 into v_asked_at
      from chat.messages m
     where m.conversation_id = p_into and m.id = any (v_asked);
    if v_asked_at is not null then
        perform chat.ask_responder(p_into, v_asked_at);
    end if;
end
$$;

comment on function chat.merge_threads is 'Make one log and one thread of two, in time order.';
