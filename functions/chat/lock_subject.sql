-- chat.lock_subject: the user an administrative function is about, locked.
--
-- Takes    p_user_id; p_actor_id: null for a service, else a user of the same tenant who acts for themself.
-- Returns  the user's row, or a refusal.
-- Locks    the user's row: before any member row.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function chat.lock_subject(
    p_user_id   uuid,
    p_actor_id  uuid,
    out subject chat.users,
    out refusal jsonb
)
language plpgsql volatile
as $$
declare
    v_actor record;
begin
    if p_user_id is null then
        refusal := chat.invalid('user_id', 'is missing');
        return;
    end if;
    if p_actor_id is null and chat.subject() is null then
        refusal := chat.service_refusal();
    else
        v_actor := chat.actor(p_actor_id);
        refusal := coalesce(
            v_actor.refusal,
            case when v_actor.user_id <> p_user_id then
                chat.fail('permission_denied', 'users do that for themselves only') end);
    end if;
    if refusal is not null then
        return;
    end if;
    select u.* into subject from chat.users u where u.user_id = p_user_id for no key update;
    if not found then
        refusal := chat.fail('not_found', 'there is no such user');
    end if;
end
$$;

comment on function chat.lock_subject is 'The user an administrative function is about, locked, or a refusal.';
