-- chat.self_refusal: for what a service does about a user, or users about themselves: leaving for good, and
-- what is kept about them. A deactivated user keeps these rights, and may retry what deactivated them.
--
-- Takes    p_user_id: whom it is about; p_actor_id: null for a service, else the user themself.
-- Returns  null, or the refusal.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function chat.self_refusal(p_user_id uuid, p_actor_id uuid) returns jsonb
language plpgsql volatile
as $$
declare
    v_actor record;
begin
    if p_user_id is null then
        return chat.invalid('user_id', 'is missing');
    end if;
    if p_actor_id is null and chat.is_service() then
        return null;
    end if;
    v_actor := chat.actor(p_actor_id);
    if v_actor.user_id = p_user_id then
        return null;
    end if;
    return coalesce(v_actor.refusal, chat.fail('permission_denied', 'users do that for themselves only'));
end
$$;

comment on function chat.self_refusal is 'Null for a service or the user themself, else the refusal.';
