-- api.send_messages_atomic: send several messages in one transaction, each as if it were alone.
--
-- Takes    p_messages: an array of objects keyed by the argument names of send_message_atomic.
-- Returns  results: what send_message_atomic answers to each, in the order given; one's refusal leaves the
--          others as they are. An exception undoes all: send them again one by one.
-- Locks    all senders' member rows, by conversation and user, then the conversations in id order: so two
--          batches, and a batch and a single send, never deadlock. A sender in an inbox: chat.holds_agent.
-- Retry    as send_message_atomic, message by message.
-- Fails    validation_error, too_large; each result may carry the codes of send_message_atomic
create or replace function api.send_messages_atomic(p_messages jsonb default null) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_most    integer := (select l.messages_per_batch from chat.limits l);
    v_locked  text[];
    v_results jsonb[];
    v_item    record;
begin
    if p_messages is null or jsonb_typeof(p_messages) <> 'array' then
        return chat.invalid('messages', 'must be an array');
    end if;
    if jsonb_array_length(p_messages) > v_most then
        return chat.oversized('messages', v_most, 'messages');
    end if;

    v_locked := array(
        select m.conversation_id || ' ' || m.user_id
          from chat.members m
         where (m.conversation_id, m.user_id) in (
                   select (i.message ->> 'p_conversation_id')::uuid,
                          coalesce((i.message ->> 'p_actor_id')::uuid, chat.subject())
                     from jsonb_array_elements(p_messages) i (message)
                    where chat.send_item_problem(i.message) is null)
           and m.left_seq is null and m.role not in ('agent', 'contact')
         order by m.conversation_id, m.user_id
           for no key update);

    v_results := array_fill(null::jsonb, array[jsonb_array_length(p_messages)]);
    for v_item in
        select i.position, i.problem,
               (i.message ->> 'p_conversation_id')::uuid as conversation_id,
               coalesce((i.message ->> 'p_actor_id')::uuid, chat.subject()) as actor_id,
               i.message ->> 'p_content' as content,
               i.message ->> 'p_client_message_id' as client_message_id,
               coalesce(i.message ->> 'p_type', 'text') as type,
               nullif(i.message -> 'p_metadata', 'null') as metadata,
               (i.message ->> 'p_reply_to_id')::uuid as reply_to_id,
               i.message ->> 'p_source' as source
          from (select e.position, p.problem, case when p.problem is null then e.message else '{}' end as message
                  from jsonb_array_elements(p_messages) with ordinality e (message, position)
                 cross join lateral chat.send_item_problem(e.message) p (problem)) i
          left join chat.redirects r on r.old_id = (i.message ->> 'p_conversation_id')::uuid and r.kind = 'conversation'
         order by coalesce(r.new_id, (i.message ->> 'p_conversation_id')::uuid), i.position
    loop
        v_results[v_item.position] := case
            when v_item.problem is not null then
                chat.invalid(v_item.problem, 'is not an argument of send_message_atomic, or of another type')
            when v_item.conversation_id || ' ' || v_item.actor_id = any (v_locked)
                 or chat.holds_agent(v_item.conversation_id, v_item.actor_id) then
                api.send_message_atomic(
                    p_conversation_id => v_item.conversation_id,
                    p_actor_id => v_item.actor_id,
                    p_content => v_item.content,
                    p_client_message_id => v_item.client_message_id,
                    p_type => v_item.type,
                    p_metadata => v_item.metadata,
                    p_reply_to_id => v_item.reply_to_id,
                    p_source => v_item.source)
            -- Not a member when the rows were locked. Who has joined since would have to be locked now, out of order.
            else coalesce(
                chat.message_refusal(v_item.content, v_item.client_message_id, v_item.type, v_item.metadata),
                (chat.actor(v_item.actor_id)).refusal,
                chat.outsider(v_item.conversation_id, (chat.actor(v_item.actor_id)).tenant_id))
            end;
    end loop;

    return chat.ok(jsonb_build_object('results', to_jsonb(v_results)));
end
$$;

comment on function api.send_messages_atomic is
    'Send several messages in one transaction, each as if it were alone: one result each.';
