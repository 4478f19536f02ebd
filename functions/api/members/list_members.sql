-- api.list_members: the active members of a conversation, by user id.
--
-- Takes    p_after: the last user id of the previous page; p_limit: 1 to 100.
-- Returns  members: [{user_id, display_name, kind, role, joined_at, joined_seq, delivered_seq, read_seq,
--          last_read_at}], has_more.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.list_members(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_limit           integer default 100,
    p_after           uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := chat.page_refusal(p_limit);
    v_reader  record;
    v_members jsonb;
    v_count   bigint;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_reader := chat.reader(p_conversation_id, p_actor_id);
    if v_reader.refusal is not null then
        return v_reader.refusal;
    end if;

    select coalesce(jsonb_agg(jsonb_build_object(
                        'user_id', p.user_id, 'display_name', p.display_name, 'kind', p.kind, 'role', p.role,
                        'joined_at', p.joined_at, 'joined_seq', p.joined_seq, 'delivered_seq', p.delivered_seq,
                        'read_seq', p.read_seq, 'last_read_at', p.last_read_at)
                    order by p.user_id) filter (where p.position <= p_limit), '[]'),
           count(*)
      into v_members, v_count
      from (select m.*, u.display_name, u.kind, row_number() over (order by m.user_id) as position
              from chat.members m
              join chat.users u on u.user_id = m.user_id
             where m.conversation_id = v_reader.conversation_id and m.left_seq is null
               and (p_after is null or m.user_id > p_after)
             order by m.user_id
             limit p_limit + 1) p;
    return chat.ok(jsonb_build_object('members', v_members, 'has_more', v_count > p_limit));
end
$$;

comment on function api.list_members is 'The active members of a conversation, with roles and watermarks.';
