-- api.list_runs: one page of a conversation's runs, the latest first.
--
-- Takes    p_before: a run's id: the page begins with the run before it; p_limit: 1 to 100; p_session_id: one of the
--          actor's, or null.
-- Returns  data and runs, the same list; has_more.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.list_runs(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_limit           integer default 50,
    p_before          uuid default null,
    p_session_id      uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_reader  record;
    v_refusal jsonb := chat.page_refusal(p_limit);
    v_runs    jsonb;
    v_count   bigint;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_reader := chat.reader(p_conversation_id, p_actor_id);
    v_refusal := coalesce(v_reader.refusal, chat.session_refusal(p_session_id, v_reader.user_id));
    if v_refusal is not null then
        return v_refusal;
    end if;
    select coalesce(jsonb_agg(chat.run_json(p.r) order by p.position)
                    filter (where p.position <= p_limit), '[]'), count(*)
      into v_runs, v_count
      from (select r, row_number() over (order by r.run_id desc) as position
              from chat.runs r
             where r.conversation_id = v_reader.conversation_id and (p_before is null or r.run_id < p_before)
             order by r.run_id desc
             limit p_limit + 1) p;
    return chat.ok(jsonb_build_object('data', v_runs, 'runs', v_runs, 'has_more', v_count > p_limit));
end
$$;

comment on function api.list_runs is 'One page of a conversation''s runs, the latest first.';
