-- chat.talker: who talks, or is to talk, to the assistant.
--
-- Takes    p_actor_id: who acts; null: a service that acts for nobody; p_user: whom it is about: a user's id or
--          external id; null: the actor.
-- Returns  that user's user_id, tenant_id, display_name and kind; all null for a service that names nobody; or a
--          refusal. unknown: a service named an external id that the tenant does not know.
-- Rules    Who acts talks for themself only, also where a service calls in their name. A service that acts for nobody
--          names anybody; external ids are those of the default tenant. A uuid is an external id where it is no user's
--          id, but nobody is made of one. Contacts talk through the inbox, and the assistant not to itself.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function chat.talker(
    p_actor_id       uuid,
    p_user           text,
    out user_id      uuid,
    out tenant_id    uuid,
    out display_name text,
    out kind         text,
    out unknown      boolean,
    out refusal      jsonb
)
language plpgsql volatile
as $$
declare
    v_actor  record;
    v_user   chat.users;
    v_tenant uuid := '00000000-0000-0000-0000-000000000000'::uuid;
begin
    unknown := false;
    if p_actor_id is not null or not chat.is_service() then
        v_actor := chat.actor(p_actor_id);
        refusal := v_actor.refusal;
        if refusal is not null then
            return;
        end if;
        v_tenant := v_actor.tenant_id;
        user_id := v_actor.user_id;
    end if;
    if p_user is null then
        select u.* into v_user from chat.users u where u.user_id = talker.user_id;
    else
        if chat.is_uuid(p_user) then
            select u.* into v_user from chat.users u where u.user_id = p_user::uuid;
        end if;
        if v_user.user_id is null then
            select u.* into v_user from chat.users u where u.tenant_id = v_tenant and u.external_id = p_user;
        end if;
        if talker.user_id is not null and v_user.user_id is distinct from talker.user_id then
            refusal := chat.fail('permission_denied', 'users talk to the assistant for themselves only');
            return;
        end if;
        if v_user.user_id is null and chat.is_uuid(p_user) then
            refusal := chat.fail('not_found', 'there is no such user');
            return;
        end if;
        talker.user_id := v_user.user_id;
        unknown := v_user.user_id is null;
    end if;
    tenant_id := coalesce(v_user.tenant_id, v_tenant);
    display_name := v_user.display_name;
    kind := v_user.kind;
    if v_user.deactivated_at is not null then
        refusal := chat.fail('permission_denied', 'this user is deactivated');
    elsif v_user.kind = 'contact' then
        refusal := chat.fail('permission_denied', 'contacts talk through the inbox');
    elsif v_user.user_id = chat.assistant_id(v_user.tenant_id) then
        refusal := chat.fail('permission_denied', 'the assistant does not talk to itself');
    end if;
end
$$;

comment on function chat.talker is 'Who talks to the assistant, or a refusal.';
