-- chat.renumber_log: puts what was added to an inbox conversation from elsewhere into its log, in time order.
--
-- Takes    p_conversation_id: its log as it was, and newcomers with any numbers above last_seq, in their order;
--          p_read_seq: the number up to which the desk has read the newcomers, 0 for none. The caller has locked
--          conversation and thread.
-- Returns  the new last_seq.
-- Writes   messages (seq, ordinal), changes, reactions, runs (input_seq), conversations (last_seq, counters), threads
--          (last_inbound_seq, read_seq), outbox: a reset. All numbers are new, from beyond the old ones, which count as
--          purged: each cursor from before is told reset. What was unread in either part stays so, and with it what
--          follows it.
create or replace function chat.renumber_log(p_conversation_id uuid, p_read_seq bigint default 0) returns bigint
language plpgsql volatile
as $$
declare
    v_conversation chat.conversations;
    v_horizon      bigint;
    v_seqs         bigint[];
    v_numbers      bigint[];
    v_ordinals     bigint[];
    v_last_seq     bigint;
    v_unread_seq   bigint;
    v_event        jsonb;
    v_position     bigint;
begin
    select c.* into strict v_conversation from chat.conversations c where c.conversation_id = p_conversation_id;
    select 1 + greatest(v_conversation.last_seq,
                        (select max(m.seq) from chat.messages m where m.conversation_id = p_conversation_id),
                        (select max(ch.seq) from chat.changes ch where ch.conversation_id = p_conversation_id))
      into v_horizon;

    -- Where each entry goes. Each part keeps its order; where a clock went back, a change is as late as what came
    -- before it, and never later than the message that follows.
    select array_agg(n.seq), array_agg(v_horizon + n.position), array_agg(n.ordinal)
      into v_seqs, v_numbers, v_ordinals
      from (select k.seq, row_number() over merged as position,
                   count(*) filter (where k.source = 'contact') over merged as ordinal
              from (select l.seq, l.source,
                           least(max(l.created_at) over (partition by l.is_new order by l.seq),
                                 min(l.created_at) filter (where l.source is not null)
                                     over (partition by l.is_new order by l.seq desc)) as at
                      from (select m.seq, m.source, m.created_at, m.seq > v_conversation.last_seq as is_new
                              from chat.messages m
                             where m.conversation_id = p_conversation_id
                            union all
                            select ch.seq, null, ch.created_at, ch.seq > v_conversation.last_seq
                              from chat.changes ch
                             where ch.conversation_id = p_conversation_id) l) k
            window merged as (order by k.at, k.seq)
             order by k.at, k.seq) n;
    v_last_seq := v_horizon + coalesce(cardinality(v_numbers), 0);
    select min(n.number) into v_unread_seq
      from unnest(v_seqs, v_numbers) n (seq, number)
      join chat.messages m on m.conversation_id = p_conversation_id and m.seq = n.seq
      join chat.threads t on t.conversation_id = p_conversation_id
     where m.source = 'contact' and m.deleted_at is null
       and m.seq > case when m.seq > v_conversation.last_seq then p_read_seq else t.read_seq end;

    update chat.messages m
       set seq = n.number, ordinal = n.ordinal
      from unnest(v_seqs, v_numbers, v_ordinals) n (seq, number, ordinal)
     where m.conversation_id = p_conversation_id and m.seq = n.seq;
    update chat.changes ch
       set seq = n.number
      from unnest(v_seqs, v_numbers) n (seq, number)
     where ch.conversation_id = p_conversation_id and ch.seq = n.seq;
    update chat.reactions r
       set seq = n.number
      from unnest(v_seqs, v_numbers) n (seq, number)
     where r.conversation_id = p_conversation_id and r.seq = n.seq;
    -- What an answer knew of: in its own part.
    update chat.runs r
       set input_seq = coalesce(k.number, 0)
      from (select e.run_id,
                   max(e.number) over (partition by e.seq > v_conversation.last_seq order by e.seq) as number
              from (select n.seq, n.number, null::uuid as run_id
                      from unnest(v_seqs, v_numbers) n (seq, number)
                    union all
                    select i.input_seq, null, i.run_id
                      from chat.runs i
                     where i.conversation_id = p_conversation_id and i.input_seq > 0) e) k
     where r.conversation_id = p_conversation_id and r.run_id = k.run_id;
    update chat.threads t
       set last_inbound_seq = coalesce((select max(m.seq) from chat.messages m
                                         where m.conversation_id = p_conversation_id and m.source = 'contact'), 0),
           read_seq = coalesce(v_unread_seq - 1, v_last_seq)
     where t.conversation_id = p_conversation_id;
    update chat.conversations c
       set last_seq = v_last_seq,
           message_count = coalesce(v_ordinals[cardinality(v_ordinals)], 0),
           last_message_at = greatest(c.last_message_at, (select max(m.created_at) from chat.messages m
                                                           where m.conversation_id = p_conversation_id)),
           purged_seq = v_horizon,
           purged_count = 0
     where c.conversation_id = p_conversation_id;

    v_event := jsonb_build_object('type', 'reset', 'conversation_id', p_conversation_id, 'last_seq', v_last_seq);
    v_position := chat.publish(p_conversation_id, v_event::text, null, v_conversation.tenant_id);
    return v_last_seq;
end
$$;

comment on function chat.renumber_log is 'Number a log anew, with what was added to it in its place in time.';
