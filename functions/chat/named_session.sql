-- chat.named_session: a session as its user, or a service that acts for nobody, finds it.
--
-- Takes    p_session_id; p_actor_id: null for such a service; p_locked: hold the row.
-- Returns  the row, or a refusal: somebody else's session does not exist.
-- Locks    nothing, or the session's row.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function chat.named_session(
    p_session_id uuid,
    p_actor_id   uuid,
    p_locked     boolean default false,
    out session  chat.sessions,
    out refusal  jsonb
)
language plpgsql volatile
as $$
declare
    v_actor record;
begin
    if p_actor_id is not null or not chat.is_service() then
        v_actor := chat.actor(p_actor_id);
        refusal := v_actor.refusal;
        p_actor_id := v_actor.user_id;
    end if;
    if refusal is null and p_session_id is null then
        refusal := chat.invalid('session_id', 'is missing');
    end if;
    if refusal is not null then
        return;
    end if;
    if p_locked then
        perform from chat.sessions s where s.session_id = p_session_id for no key update;
    end if;
    select s.* into session
      from chat.sessions s
     where s.session_id = p_session_id and (p_actor_id is null or s.user_id = p_actor_id);
    if not found then
        refusal := chat.fail('not_found', 'there is no such session');
    end if;
end
$$;

comment on function chat.named_session is 'A session as its user, or a service, finds it; or a refusal.';
