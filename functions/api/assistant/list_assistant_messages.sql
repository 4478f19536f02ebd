-- api.list_assistant_messages: one page of a thread's messages, as api.list_messages gives them.
--
-- Takes    p_actor_id: a member; null: a service that acts for nobody: it sees what the user sees. p_before_seq,
--          p_after_seq, p_limit: as there. p_session_id: a session of the user's, in whatever state: only checked.
-- Returns  data and messages (the same list, ascending), thread_id, conversation_id, last_seq, has_more.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.list_assistant_messages(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_before_seq      bigint default null,
    p_after_seq       bigint default null,
    p_limit           integer default 50,
    p_session_id      uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_found   record := chat.assistant_thread(p_conversation_id, p_actor_id);
    v_refusal jsonb;
    v_page    jsonb;
begin
    v_refusal := coalesce(v_found.refusal, chat.session_refusal(p_session_id, (v_found.thread).user_id));
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_page := api.list_messages(p_conversation_id, v_found.user_id, p_before_seq, p_after_seq, p_limit);
    if not (v_page -> 'success')::boolean then
        return v_page;
    end if;
    return v_page || jsonb_build_object('data', v_page -> 'messages', 'thread_id', p_conversation_id,
                                        'conversation_id', p_conversation_id);
end
$$;

comment on function api.list_assistant_messages is 'One page of a thread''s messages, ascending.';
