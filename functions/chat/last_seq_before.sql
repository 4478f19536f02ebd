-- chat.last_seq_before: the last log number with nothing from p_before on at or below it; 0 for none.
create or replace function chat.last_seq_before(p_conversation_id uuid, p_before timestamptz) returns bigint
language sql volatile
as $$
    select least(
        coalesce((select min(m.seq) - 1 from chat.messages m
                   where m.conversation_id = p_conversation_id and m.created_at >= p_before), c.last_seq),
        coalesce((select min(ch.seq) - 1 from chat.changes ch
                   where ch.conversation_id = p_conversation_id and ch.created_at >= p_before), c.last_seq))
      from chat.conversations c
     where c.conversation_id = p_conversation_id
$$;

comment on function chat.last_seq_before is 'The log number up to which everything is older than a time.';
