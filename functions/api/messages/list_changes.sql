-- api.list_changes: what happened in a conversation after a log number: what a client that was away lacks.
--
-- Takes    p_after_seq: the last number the client has seen, 0 for none; p_limit: 1 to 100 numbers.
-- Returns  changes: one event for each number after p_after_seq, in order, exactly as sockets send them, with
--          messages as they are now and a skip for each the reader may not see; last_seq; has_more.
--          Or reset: true (and no changes) when the gap is wider than chat.limits.changes_gap, or p_after_seq
--          lies outside what the reader may see: fetch the latest messages instead.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.list_changes(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_after_seq       bigint default 0,
    p_limit           integer default 100
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_reader  record;
    v_refusal jsonb := chat.page_refusal(p_limit);
    v_after   bigint;
    v_to      bigint;
    v_changes jsonb;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_reader := chat.reader(p_conversation_id, p_actor_id);
    if v_reader.refusal is not null then
        return v_reader.refusal;
    end if;
    if p_after_seq is null or p_after_seq < 0 then
        return chat.invalid('after_seq', 'must not be negative');
    end if;

    -- Someone new to the conversation starts where they may see; someone with a cursor from before lacks
    -- numbers that cannot be told apart any more; someone ahead of the log saw one that was lost to a restore.
    v_after := case p_after_seq when 0 then v_reader.visible_from - 1 else p_after_seq end;
    if v_after not between v_reader.visible_from - 1 and v_reader.last_seq
       or v_reader.last_seq - v_after > (select l.changes_gap from chat.limits l) then
        return chat.ok(jsonb_build_object(
            'changes', '[]'::jsonb, 'last_seq', v_reader.last_seq, 'has_more', false, 'reset', true));
    end if;
    v_to := least(v_after + p_limit, v_reader.last_seq);

    select coalesce(jsonb_agg(case when e.seq is not null or n.message_seq < v_reader.visible_from
                                   then chat.skip_frame(v_reader.conversation_id, n.seq) else n.frame end
                              order by n.seq), '[]')
      into v_changes
      from (select m.seq, m.seq as message_seq, chat.message_frame(chat.message_json(m, u.display_name)) as frame
              from chat.messages m
              left join chat.users u on u.user_id = m.sender_id
             where m.conversation_id = v_reader.conversation_id and m.seq > v_after and m.seq <= v_to
            union all
            select ch.seq, t.seq, chat.change_frame(ch)
              from chat.changes ch
              left join chat.messages t on t.conversation_id = ch.conversation_id and t.id = ch.message_id
             where ch.conversation_id = v_reader.conversation_id and ch.seq > v_after and ch.seq <= v_to) n
      left join chat.exclusions e
             on e.conversation_id = v_reader.conversation_id and e.user_id = v_reader.user_id and e.seq = n.message_seq;
    return chat.ok(jsonb_build_object(
        'changes', v_changes, 'last_seq', v_reader.last_seq, 'has_more', v_to < v_reader.last_seq, 'reset', false));
end
$$;

comment on function api.list_changes is
    'What happened in a conversation after a log number, one event for each number.';
