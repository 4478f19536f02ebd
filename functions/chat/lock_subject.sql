-- chat.lock_subject: the user an administrative function is about, locked.
--
-- Takes    p_user_id: also a contact who was merged, it is then about what they became; p_actor_id: null for a service,
--          else the user themself.
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
begin
    refusal := chat.self_refusal(p_user_id, p_actor_id);
    if refusal is not null then
        return;
    end if;
    loop
        select u.* into subject from chat.users u where u.user_id = chat.resolved_contact(p_user_id) for no key update;
        if not found then
            refusal := chat.fail('not_found', 'there is no such user');
            return;
        end if;
        -- Not merged while we waited.
        exit when subject.user_id = chat.resolved_contact(p_user_id);
    end loop;
end
$$;

comment on function chat.lock_subject is 'The user an administrative function is about, locked, or a refusal.';
