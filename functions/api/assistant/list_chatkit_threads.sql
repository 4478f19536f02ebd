-- api.list_chatkit_threads: ChatKit's Store.load_threads: a user's threads, by when they were begun.
--
-- Takes    p_actor_id: whose; p_limit: 1 or more, a page has at most chat.limits.page_size; p_after: the page begins
--          after this thread (ChatKit's id), as the list is ordered; p_order: asc | desc.
-- Returns  data and threads (the same list of ThreadMetadata), has_more, after (the last one's id when there are more).
-- Fails    validation_error, unauthenticated, permission_denied, not_found, too_large
create or replace function api.list_chatkit_threads(
    p_actor_id uuid default null,
    p_limit    integer default 20,
    p_after    text default null,
    p_order    text default 'desc'
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := coalesce(chat.service_refusal(), chat.store_page_refusal(p_limit, p_order));
    v_limit   integer := (select least(p_limit, l.page_size) from chat.limits l);
    v_actor   record;
    v_after   record;
    v_range   record;
    v_page    jsonb;
    v_more    boolean;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    v_range := chat.page_range(null, null, p_order);
    if p_after is not null then
        v_after := chat.chatkit_thread(p_after, p_actor_id);
        if v_after.refusal is not null then
            return v_after.refusal;
        end if;
        if (v_after.thread).conversation_id is null then
            return chat.fail('not_found', 'there is no such thread to page from');
        end if;
        v_range := chat.page_range((v_after.thread).position, null, p_order);
    end if;

    select coalesce(jsonb_agg(chat.chatkit_thread_json(c, p.thread) order by p.rank)
                    filter (where p.rank <= v_limit), '[]'),
           count(*) > v_limit
      into v_page, v_more
      from (select t as thread, t.conversation_id,
                   row_number() over (order by case when v_range.upward then t.position else -t.position end) as rank
              from chat.assistant_threads_page(v_actor.tenant_id, v_actor.user_id, null, v_range.low, v_range.high,
                                               v_range.upward, v_limit + 1) t) p
      join chat.conversations c on c.conversation_id = p.conversation_id;
    return chat.ok(jsonb_build_object(
        'data', v_page,
        'threads', v_page,
        'has_more', v_more,
        'after', case when v_more then v_page -> -1 -> 'id' end));
end
$$;

comment on function api.list_chatkit_threads is 'A user''s ChatKit threads, by when they were begun.';
