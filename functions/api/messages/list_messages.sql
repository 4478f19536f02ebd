-- api.list_messages: one page of a conversation's messages, in the order they were sent.
--
-- Takes    p_before_seq: the page ends before this number; p_after_seq: it begins after this number; neither:
--          the latest; p_limit: 1 to 100.
-- Returns  messages (ascending), last_seq, has_more: whether there are more in the direction asked (older
--          ones, unless p_after_seq is given).
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.list_messages(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_before_seq      bigint default null,
    p_after_seq       bigint default null,
    p_limit           integer default 50
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_reader   record;
    v_refusal  jsonb := chat.page_refusal(p_limit);
    v_after    bigint;
    v_before   bigint;
    v_messages jsonb;
    v_count    bigint;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_reader := chat.reader(p_conversation_id, p_actor_id);
    if v_reader.refusal is not null then
        return v_reader.refusal;
    end if;
    v_after := greatest(v_reader.visible_from - 1, p_after_seq);
    v_before := least(v_reader.last_seq + 1, p_before_seq);

    if p_after_seq is null then
        select coalesce(jsonb_agg(chat.message_json(p.m, p.display_name) order by (p.m).seq)
                        filter (where p.position <= p_limit), '[]'), count(*)
          into v_messages, v_count
          from (select m, u.display_name, row_number() over (order by m.seq desc) as position
                  from chat.messages m
                  left join chat.users u on u.user_id = m.sender_id
                 where m.conversation_id = v_reader.conversation_id and m.seq > v_after and m.seq < v_before
                   and not exists (select from chat.exclusions e
                                    where e.conversation_id = m.conversation_id
                                      and e.user_id = v_reader.user_id and e.seq = m.seq)
                 order by m.seq desc
                 limit p_limit + 1) p;
    else
        select coalesce(jsonb_agg(chat.message_json(p.m, p.display_name) order by (p.m).seq)
                        filter (where p.position <= p_limit), '[]'), count(*)
          into v_messages, v_count
          from (select m, u.display_name, row_number() over (order by m.seq) as position
                  from chat.messages m
                  left join chat.users u on u.user_id = m.sender_id
                 where m.conversation_id = v_reader.conversation_id and m.seq > v_after and m.seq < v_before
                   and not exists (select from chat.exclusions e
                                    where e.conversation_id = m.conversation_id
                                      and e.user_id = v_reader.user_id and e.seq = m.seq)
                 order by m.seq
                 limit p_limit + 1) p;
    end if;
    -- chat.ok written out: it would copy the whole page once more.
    perform set_config('response.status', '200', true);
    return jsonb_build_object(
        'success', true, 'messages', v_messages, 'last_seq', v_reader.last_seq, 'has_more', v_count > p_limit);
end
$$;

comment on function api.list_messages is 'One page of a conversation''s messages, ascending.';
