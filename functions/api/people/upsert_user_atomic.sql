-- api.upsert_user_atomic: make a user or bring them up to date. For services that sync a directory.
--
-- Takes    p_user_id: also a contact who was merged; null: found by (p_tenant_id, p_external_id), else made;
--          p_display_name: needed for a new user; p_kind: person | bot | contact; p_external_id, p_email; p_tenant_id:
--          the user's tenant, made if new; null: the default one. Null leaves a field of an existing user as it is.
-- Returns  user_id, user, created.
-- Rule     Who answers, the tenant's assistant and the responder of a channel, is a bot and stays one.
-- Locks    the user's row.
-- Retry    naturally. A deactivated user is active again; an erased one stays erased.
-- Fails    validation_error (a taken external_id, too), permission_denied, not_found (another tenant's, or
--          erased), too_large
create or replace function api.upsert_user_atomic(
    p_user_id      uuid default null,
    p_display_name text default null,
    p_kind         text default null,
    p_external_id  text default null,
    p_email        text default null,
    p_tenant_id    uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_most      integer := (select l.name_characters from chat.limits l);
    v_refusal   jsonb := chat.service_refusal();
    v_tenant_id uuid := coalesce(p_tenant_id, '00000000-0000-0000-0000-000000000000');
    v_user_id   uuid := chat.resolved_contact(p_user_id);
    v_user      chat.users;
    v_created   boolean;
begin
    v_refusal := coalesce(
        v_refusal,
        chat.text_refusal('display_name', p_display_name, v_most),
        chat.text_refusal('external_id', p_external_id, v_most),
        chat.text_refusal('email', p_email, v_most),
        case when p_kind not in ('person', 'bot', 'contact') then
            chat.invalid('kind', 'must be person, bot or contact') end);
    if v_refusal is not null then
        return v_refusal;
    end if;

    -- One at a time for the same id or external id: whoever comes second finds what the first wrote.
    perform pg_advisory_xact_lock(hashtextextended(k.key, 0))
       from (values ('user:' || p_user_id), ('external:' || p_external_id)) k (key)
      where k.key is not null
      order by hashtextextended(k.key, 0);

    if v_user_id is null then
        select u.user_id into v_user_id
          from chat.users u
         where u.tenant_id = v_tenant_id and u.external_id = p_external_id;
    end if;
    select u.* into v_user from chat.users u where u.user_id = v_user_id for no key update;
    v_created := not found;

    if v_created and p_display_name is null then
        return chat.invalid('display_name', 'is missing');
    end if;
    if v_user.tenant_id <> coalesce(p_tenant_id, v_user.tenant_id) or v_user.erased_at is not null then
        return chat.fail('not_found', 'there is no such user');
    end if;
    if (v_user.kind = 'contact') <> (p_kind = 'contact') then
        return chat.invalid('kind', 'cannot change from or to contact');
    end if;
    if coalesce(p_kind, v_user.kind, 'person') <> 'bot'
       and (v_user_id = chat.assistant_id(coalesce(v_user.tenant_id, v_tenant_id))
            or v_user.kind = 'bot'
               and (exists (select from chat.channels h where h.responder_id = v_user_id)
                    or exists (select from chat.runs r where r.responder_id = v_user_id))) then
        return chat.invalid('kind', 'must be bot: this one answers');
    end if;
    perform from chat.users u
      where u.tenant_id = coalesce(v_user.tenant_id, v_tenant_id) and u.external_id = p_external_id
        and u.user_id is distinct from v_user.user_id;
    if found then
        return chat.invalid('external_id', 'belongs to another user');
    end if;

    if v_created then
        insert into chat.tenants (tenant_id, name) values (v_tenant_id, v_tenant_id::text)
            on conflict (tenant_id) do nothing;
        insert into chat.users as u (user_id, tenant_id, kind, display_name, external_id, email)
        values (coalesce(v_user_id, chat.new_id()), v_tenant_id, coalesce(p_kind, 'person'), p_display_name,
                p_external_id, p_email)
        returning u.* into v_user;
    else
        update chat.users u
           set display_name = coalesce(p_display_name, u.display_name), kind = coalesce(p_kind, u.kind),
               external_id = coalesce(p_external_id, u.external_id), email = coalesce(p_email, u.email),
               deactivated_at = null, updated_at = clock_timestamp()
         where u.user_id = v_user.user_id
        returning u.* into v_user;
    end if;
    return chat.ok(jsonb_build_object('user_id', v_user.user_id, 'user', chat.user_json(v_user), 'created', v_created),
                   case when v_created then 201 else 200 end);
end
$$;

comment on function api.upsert_user_atomic is
    'Make a user or bring them up to date; found by user_id, or by external_id in a tenant.';
