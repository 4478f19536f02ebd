-- api.list_sessions: the actor's sessions, newest first, whatever has become of them.
--
-- Takes    p_limit: 1 to 100; p_before: null for the first page, then the previous page's next_before.
-- Returns  data and sessions (the same list: id, user_id, created_at, expires_at, status, configuration), has_more,
--          next_before.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.list_sessions(
    p_actor_id uuid default null,
    p_limit    integer default 50,
    p_before   uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := chat.page_refusal(p_limit);
    v_actor   record;
    v_before  chat.sessions;
    v_page    jsonb;
    v_more    boolean;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_actor := chat.actor(p_actor_id);
    v_refusal := coalesce(v_actor.refusal, chat.session_refusal(p_before, v_actor.user_id));
    if v_refusal is not null then
        return v_refusal;
    end if;
    select s.* into v_before from chat.sessions s where s.session_id = p_before;

    select coalesce(jsonb_agg(chat.session_json(p.s) order by p.position) filter (where p.position <= p_limit), '[]'),
           count(*) > p_limit
      into v_page, v_more
      from (select s, row_number() over (order by s.created_at desc, s.session_id desc) as position
              from chat.sessions s
             where s.user_id = v_actor.user_id
               and (v_before.session_id is null
                    or (s.created_at, s.session_id) < (v_before.created_at, v_before.session_id))
             order by s.created_at desc, s.session_id desc
             limit p_limit + 1) p;
    return chat.ok(jsonb_build_object(
        'data', v_page,
        'sessions', v_page,
        'has_more', v_more,
        'next_before', case when v_more then v_page -> -1 -> 'id' end));
end
$$;

comment on function api.list_sessions is 'The actor''s sessions, newest first.';
