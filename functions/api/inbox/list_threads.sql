-- api.list_threads: the desk's inbox: threads by last activity, newest first.
--
-- Takes    p_query: part of the contact's name, number or other identity; p_unread_only; p_assignee_id: only theirs;
--          p_closed: only closed ones, or only open ones; null: all; p_limit: 1 to 100; p_before: null for the first
--          page, then the previous page's next_before, as in list_conversations.
-- Returns  threads: each a conversation with contact {id, display_name, identities: [{kind, value}]}, channel
--          {channel_id, provider, display_name}, assignee_id, window_open_until ("infinity": the channel has no window;
--          null: the contact has not written), read_seq and unread_count of the desk, last_message, last_activity_at;
--          has_more; next_before.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, too_large
create or replace function api.list_threads(
    p_actor_id    uuid default null,
    p_query       text default null,
    p_unread_only boolean default false,
    p_assignee_id uuid default null,
    p_closed      boolean default null,
    p_limit       integer default 50,
    p_before      text default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := coalesce(
        chat.page_refusal(p_limit),
        chat.text_refusal('query', nullif(p_query, ''), (select l.query_characters from chat.limits l)));
    v_agent   record;
    v_cursor  record;
    v_time    timestamptz;
    v_id      uuid;
    v_page    jsonb;
    v_count   bigint;
    v_next    text;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    if p_before is not null then
        v_cursor := chat.page_cursor(p_before);
        if v_cursor.active_at is null then
            return chat.invalid('before', 'must be a next_before or a time');
        end if;
        v_time := v_cursor.active_at;
        v_id := coalesce(v_cursor.conversation_id, '00000000-0000-0000-0000-000000000000');
    end if;
    v_agent := chat.agent(p_actor_id);
    if v_agent.refusal is not null then
        return v_agent.refusal;
    end if;

    select coalesce(jsonb_agg(j.thread order by p.position) filter (where p.position <= p_limit), '[]'),
           count(*),
           max(to_char((p.t).last_activity_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
               || '/' || (p.t).conversation_id) filter (where p.position = p_limit)
      into v_page, v_count, v_next
      from (select t, row_number() over (order by t.last_activity_at desc, t.conversation_id desc) as position
              from chat.desk_page(v_agent.tenant_id, nullif(p_query, ''), coalesce(p_unread_only, false),
                                  p_assignee_id, p_closed, v_time, v_id, p_limit + 1) t) p
      join chat.conversations c on c.conversation_id = (p.t).conversation_id
     cross join lateral chat.thread_json(c, p.t) j (thread);
    return chat.ok(jsonb_build_object(
        'threads', v_page,
        'has_more', v_count > p_limit,
        'next_before', case when v_count > p_limit then v_next end));
end
$$;

comment on function api.list_threads is 'The desk''s inbox, newest activity first, with exact unread counts.';
