-- chat.items_page: up to p_limit items of an assistant thread, in the order of its log.
--
-- Takes    p_thread; p_reader_id: leave out what is hidden from them; null: nothing is; p_types: only messages of these
--          types; null: all; p_low, p_high, p_upward: see chat.page_range, in log numbers.
-- Returns  seq, item, created_at, in no particular order.
create or replace function chat.items_page(
    p_thread    chat.assistant_threads,
    p_reader_id uuid,
    p_types     text[],
    p_low       bigint,
    p_high      bigint,
    p_upward    boolean,
    p_limit     integer
) returns table (seq bigint, item jsonb, created_at timestamptz)
language sql stable
as $$
    with shown as not materialized (
        select m.seq, m as message, i.payload
          from chat.messages m
          left join chat.thread_items i on i.conversation_id = m.conversation_id and i.message_id = m.id
         where m.conversation_id = p_thread.conversation_id and m.seq > p_low and m.seq < p_high
           and m.deleted_at is null and (i.item_id is not null or m.type = 'text')
           and (p_types is null or m.type = any (p_types))
           and not exists (select from chat.exclusions e
                            where e.conversation_id = m.conversation_id and e.user_id = p_reader_id and e.seq = m.seq))
    select p.seq, chat.item_json(p.message, p.payload, p_thread), (p.message).created_at
      from ((select s.* from shown s where p_upward order by s.seq limit p_limit)
            union all
            (select s.* from shown s where not p_upward order by s.seq desc limit p_limit)) p
$$;

comment on function chat.items_page is 'Items of an assistant thread, in the order of its log.';
