-- api.list_thread_messages: one page of what was said in a thread, from all sources in one order.
--
-- Takes    p_thread: a conversation's id, also that of one that was merged, or the contact's phone number; the rest as
--          list_messages.
-- Returns  conversation_id; messages (ascending), each with source, outgoing ones with delivery {status, error,
--          sent_at, delivered_at, read_at, played_at, failed_at}; last_seq; has_more.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.list_thread_messages(
    p_thread     text,
    p_actor_id   uuid default null,
    p_before_seq bigint default null,
    p_after_seq  bigint default null,
    p_limit      integer default 50
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := chat.page_refusal(p_limit);
    v_reader  record;
    v_page    jsonb;
    v_all     jsonb;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_reader := chat.thread_reader(p_thread, p_actor_id);
    if v_reader.refusal is not null then
        return v_reader.refusal;
    end if;

    v_page := api.list_messages(v_reader.conversation_id, p_actor_id, p_before_seq, p_after_seq, p_limit);
    select coalesce(jsonb_agg(e.message || case when d.message_id is not null
                                                then jsonb_build_object('delivery', chat.delivery_json(d))
                                                else '{}' end
                              order by e.position), '[]')
      into v_all
      from jsonb_array_elements(v_page -> 'messages') with ordinality e (message, position)
      left join chat.deliveries d
             on d.conversation_id = v_reader.conversation_id and d.message_id = (e.message ->> 'id')::uuid;
    return v_page || jsonb_build_object('conversation_id', v_reader.conversation_id, 'messages', v_all);
end
$$;

comment on function api.list_thread_messages is 'One page of what was said in a thread, with how answers fared.';
