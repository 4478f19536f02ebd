-- api.list_assistant_threads: threads with the assistant, by when they were begun.
--
-- Takes    p_actor_id: whose; null: a service that acts for nobody: those of p_user (a user's id or external id), or of
--          everybody in the default tenant. p_session_id: only those begun in it, by its user. p_limit: 1 to 100;
--          p_after: the page begins after this thread, as the list is ordered; p_before: it ends before it; p_order:
--          desc | asc.
-- Returns  data and threads, the same ones: in data as OpenAI's SDK reads them (created_at in seconds), in threads with
--          created_at as everywhere else; has_more, first_id, last_id (the next page's p_after).
-- Fails    validation_error, unauthenticated, permission_denied, not_found, too_large
create or replace function api.list_assistant_threads(
    p_actor_id   uuid default null,
    p_user       text default null,
    p_session_id uuid default null,
    p_limit      integer default 20,
    p_after      uuid default null,
    p_before     uuid default null,
    p_order      text default 'desc'
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := coalesce(
        chat.page_refusal(p_limit),
        chat.order_refusal(p_order),
        chat.text_refusal('user', p_user, (select l.name_characters from chat.limits l)));
    v_user    record;
    v_range   record;
    v_after   bigint;
    v_before  bigint;
    v_data    jsonb;
    v_threads jsonb;
    v_count   bigint;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_user := chat.talker(p_actor_id, p_user);
    v_refusal := coalesce(v_user.refusal, chat.session_refusal(p_session_id, v_user.user_id));
    if v_refusal is not null then
        return v_refusal;
    end if;
    -- A session's threads are its user's: there is no need to look through everybody's.
    if p_session_id is not null then
        select s.user_id, s.tenant_id into strict v_user.user_id, v_user.tenant_id
          from chat.sessions s
         where s.session_id = p_session_id;
    end if;

    select max(t.position) filter (where t.conversation_id = p_after),
           max(t.position) filter (where t.conversation_id = p_before)
      into v_after, v_before
      from chat.assistant_threads t
     where t.conversation_id in (p_after, p_before) and t.tenant_id = v_user.tenant_id
       and (v_user.user_id is null or t.user_id = v_user.user_id);
    if p_after is not null and v_after is null or p_before is not null and v_before is null then
        return chat.fail('not_found', 'there is no such thread to page from');
    end if;
    v_range := chat.page_range(v_after, v_before, p_order);

    select coalesce(jsonb_agg(j.ours || j.sdk order by p.position * j.sign) filter (where p.rank <= p_limit), '[]'),
           coalesce(jsonb_agg(j.sdk || j.ours order by p.position * j.sign) filter (where p.rank <= p_limit), '[]'),
           count(*)
      into v_data, v_threads, v_count
      from (select t as thread, t.conversation_id, t.position,
                   row_number() over (order by case when v_range.upward then t.position else -t.position end) as rank
              from chat.assistant_threads_page(v_user.tenant_id, v_user.user_id, p_session_id, v_range.low,
                                               v_range.high, v_range.upward, p_limit + 1) t
             where not v_user.unknown) p
      join chat.conversations c on c.conversation_id = p.conversation_id
     cross join lateral (
            select chat.assistant_thread_json(c, p.thread) as ours, chat.sdk_thread_json(c, p.thread) as sdk,
                   case p_order when 'asc' then 1 else -1 end as sign) j;
    return chat.ok(jsonb_build_object(
        'object', 'list',
        'data', v_data,
        'threads', v_threads,
        'has_more', v_count > p_limit,
        'first_id', v_data -> 0 -> 'id',
        'last_id', v_data -> -1 -> 'id'));
end
$$;

comment on function api.list_assistant_threads is 'Threads with the assistant, by when they were begun.';
