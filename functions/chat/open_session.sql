-- chat.open_session: the session something is begun in, held against its cancellation.
--
-- Takes    p_session_id; p_user_id: who begins it.
-- Returns  the row, or a refusal.
-- Locks    the session's row, shared: before any member row.
-- Fails    permission_denied, not_found
create or replace function chat.open_session(
    p_session_id uuid,
    p_user_id    uuid,
    out session  chat.sessions,
    out refusal  jsonb
)
language plpgsql volatile
as $$
begin
    select s.* into session
      from chat.sessions s
     where s.session_id = p_session_id and s.user_id = p_user_id
       for share;
    if not found then
        refusal := chat.fail('not_found', 'there is no such session');
    elsif chat.session_status(session) <> 'active' then
        refusal := chat.fail('permission_denied',
                             format('this session is %s: create another', chat.session_status(session)),
                             jsonb_build_object('status', chat.session_status(session)));
    end if;
end
$$;

comment on function chat.open_session is 'The session something is begun in, or a refusal.';
