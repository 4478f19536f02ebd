-- api.list_chatkit_items: ChatKit's Store.load_thread_items: one page of a thread, hidden items too: the Store is the
-- server's side.
--
-- Takes    p_thread_id: ChatKit's, any text; p_actor_id: whose; p_after: the page begins after this item, as the list
--          is ordered; p_limit: 1 or more, a page has at most chat.limits.page_size; p_order: asc | desc.
-- Returns  data (items), has_more, after (the last one's id when there are more). A thread the user does not have is
--          empty.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, too_large
create or replace function api.list_chatkit_items(
    p_thread_id text,
    p_actor_id  uuid default null,
    p_after     text default null,
    p_limit     integer default 20,
    p_order     text default 'desc'
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := chat.store_page_refusal(p_limit, p_order);
    v_limit   integer := (select least(p_limit, l.page_size) from chat.limits l);
    v_found   record := chat.chatkit_thread(p_thread_id, p_actor_id);
    v_seq     bigint;
    v_range   record;
    v_items   jsonb;
    v_more    boolean;
begin
    v_refusal := coalesce(v_found.refusal, v_refusal);
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_seq := (chat.item_message((v_found.thread).conversation_id, p_after)).seq;
    if p_after is not null and v_seq is null and (v_found.thread).conversation_id is not null then
        return chat.fail('not_found', 'there is no such item to page from');
    end if;
    v_range := chat.page_range(v_seq, null, p_order);

    select coalesce(jsonb_agg(p.item order by p.rank) filter (where p.rank <= v_limit), '[]'), count(*) > v_limit
      into v_items, v_more
      from (select i.item, row_number() over (order by case when v_range.upward then i.seq else -i.seq end) as rank
              from chat.items_page(v_found.thread, null, null, v_range.low, v_range.high, v_range.upward,
                                   v_limit + 1) i) p;
    return chat.ok(jsonb_build_object(
        'data', v_items, 'has_more', v_more, 'after', case when v_more then v_items -> -1 -> 'id' end));
end
$$;

comment on function api.list_chatkit_items is 'One page of a ChatKit thread''s items, hidden ones too.';
