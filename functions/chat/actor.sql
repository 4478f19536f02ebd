-- chat.actor: who acts. The one place where identity is checked.
--
-- Takes    p_actor_id: who the caller says acts; null: whoever the token is for.
-- Returns  the acting user's user_id, tenant_id, display_name and kind, or a refusal.
-- Rules    With request.jwt.claims (set by PostgREST, Supabase and our own /rpc) the sub must be the actor.
--          Without a sub, only members of parley_api may act, for anyone. Deactivated users may not.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function chat.actor(
    p_actor_id       uuid,
    out user_id      uuid,
    out tenant_id    uuid,
    out display_name text,
    out kind         text,
    out refusal      jsonb
)
language plpgsql volatile
as $$
declare
    v_subject     text := nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub';
    v_deactivated timestamptz;
begin
    if v_subject is not null then
        if not chat.is_uuid(v_subject) then
            refusal := chat.fail('unauthenticated', 'the subject of the token is not a uuid');
            return;
        end if;
        if p_actor_id <> v_subject::uuid then
            refusal := chat.fail('permission_denied', 'a token acts only for its own user');
            return;
        end if;
        p_actor_id := v_subject::uuid;
    elsif not chat.is_trusted() then
        refusal := chat.fail('unauthenticated');
        return;
    elsif p_actor_id is null then
        refusal := chat.invalid('actor_id', 'is missing');
        return;
    end if;

    select u.user_id, u.tenant_id, u.display_name, u.kind, u.deactivated_at
      into actor.user_id, actor.tenant_id, actor.display_name, actor.kind, v_deactivated
      from chat.users u
     where u.user_id = p_actor_id;
    if not found then
        refusal := chat.fail('not_found', 'there is no such user');
    elsif v_deactivated is not null then
        refusal := chat.fail('permission_denied', 'this user is deactivated');
    end if;
end
$$;

comment on function chat.actor is 'The acting user, or a refusal.';
