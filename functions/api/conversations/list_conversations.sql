-- api.list_conversations: the actor's conversations, newest activity first. The desk's inbox is in api.list_threads.
--
-- Takes    p_limit: 1 to 100; p_before: null for the first page, then the previous page's next_before
--          (a time, or a time and a conversation id with a / between: unambiguous where times are equal).
-- Returns  conversations, each with unread_count, last_message, members (a preview of five), read_seq,
--          delivered_seq, role, notify, muted_until; has_more; next_before.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.list_conversations(
    p_actor_id uuid default null,
    p_limit    integer default 50,
    p_before   text default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := chat.page_refusal(p_limit);
    v_actor   record;
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
        v_id := v_cursor.conversation_id;
    end if;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;

    select coalesce(jsonb_agg(j.listed order by p.active_at desc, (p.c).conversation_id desc)
                    filter (where p.position <= p_limit), '[]'),
           count(*),
           max(to_char(p.active_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '/' || (p.c).conversation_id)
               filter (where p.position = p_limit)
      into v_page, v_count, v_next
      from (select a.*, row_number() over (order by a.active_at desc, (a.c).conversation_id desc) as position
              from (select c, m, coalesce(c.last_message_at, c.created_at) as active_at
                      from chat.members m
                      join chat.conversations c on c.conversation_id = m.conversation_id
                     where m.user_id = v_actor.user_id and m.left_seq is null and c.kind <> 'inbox') a
             where v_time is null or (v_id is null and a.active_at < v_time)
                or (a.active_at, (a.c).conversation_id) < (v_time, v_id)
             order by a.active_at desc, (a.c).conversation_id desc
             limit p_limit + 1) p
     cross join lateral chat.listed_conversation(p.c, p.m) j (listed);
    return chat.ok(jsonb_build_object(
        'conversations', v_page,
        'has_more', v_count > p_limit,
        'next_before', case when v_count > p_limit then v_next end));
end
$$;

comment on function api.list_conversations is
    'The actor''s conversations, newest activity first, with exact unread counts.';
