-- api.list_thread_items: one page of a thread as OpenAI's SDK reads it: messages, widgets, tool calls, tasks.
--
-- Takes    p_actor_id: a member; null: a service that acts for nobody: it sees what the user sees. p_limit: 1 to 100;
--          p_after: the page begins after this item, as the list is ordered; p_before: it ends before it; p_order:
--          desc | asc.
-- Returns  data (items; hidden ones are never among them), has_more, first_id, last_id (the next page's p_after).
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.list_thread_items(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_limit           integer default 20,
    p_after           text default null,
    p_before          text default null,
    p_order           text default 'desc'
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := coalesce(chat.page_refusal(p_limit), chat.order_refusal(p_order));
    v_found   record;
    v_range   record;
    v_after   bigint;
    v_before  bigint;
    v_items   jsonb;
    v_count   bigint;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_found := chat.assistant_thread(p_conversation_id, p_actor_id);
    if v_found.refusal is not null then
        return v_found.refusal;
    end if;
    v_after := (chat.item_message(p_conversation_id, p_after)).seq;
    v_before := (chat.item_message(p_conversation_id, p_before)).seq;
    if p_after is not null and v_after is null or p_before is not null and v_before is null then
        return chat.fail('not_found', 'there is no such item to page from');
    end if;
    v_range := chat.page_range(v_after, v_before, p_order);

    select coalesce(jsonb_agg(chat.sdk_item_json(p.item, p_conversation_id, p.created_at)
                              order by case p_order when 'asc' then p.seq else -p.seq end)
                    filter (where p.rank <= p_limit), '[]'),
           count(*)
      into v_items, v_count
      from (select i.*, row_number() over (order by case when v_range.upward then i.seq else -i.seq end) as rank
              from chat.items_page(v_found.thread, v_found.user_id,
                                   array['text', 'widget', 'client_tool_call', 'task', 'workflow'],
                                   v_range.low, v_range.high, v_range.upward, p_limit + 1) i) p;
    return chat.ok(jsonb_build_object(
        'object', 'list',
        'data', v_items,
        'has_more', v_count > p_limit,
        'first_id', v_items -> 0 -> 'id',
        'last_id', v_items -> -1 -> 'id'));
end
$$;

comment on function api.list_thread_items is 'One page of a thread as OpenAI''s SDK reads it.';
