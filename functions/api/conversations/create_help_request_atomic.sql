-- api.create_help_request_atomic: ask for help; helpers then open conversations about it.
--
-- Takes    p_title, p_metadata; p_client_key: the owner's key that makes this retryable.
-- Returns  help_request_id, help_request.
-- Locks    the owner's row, shared: deactivation and erasure wait, or it is refused.
-- Writes   help_requests +1.
-- Retry    same p_client_key: the first result with "duplicate": true; another title or metadata is refused.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, idempotency_conflict, too_large
create or replace function api.create_help_request_atomic(
    p_actor_id   uuid default null,
    p_title      text default null,
    p_metadata   jsonb default null,
    p_client_key text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_limits  chat.limits := (select l from chat.limits l);
    v_refusal jsonb;
    v_actor   record;
    v_request chat.help_requests;
begin
    v_refusal := coalesce(
        case when p_title is null then chat.invalid('title', 'is missing') end,
        chat.text_refusal('title', p_title, v_limits.title_characters),
        chat.text_refusal('client_key', p_client_key, v_limits.key_characters),
        chat.metadata_refusal(p_metadata));
    if v_refusal is not null then
        return v_refusal;
    end if;
    perform from chat.users u where u.user_id = coalesce(p_actor_id, chat.subject()) for share;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;

    insert into chat.help_requests (help_request_id, tenant_id, owner_id, title, metadata, client_key)
    values (chat.new_id(), v_actor.tenant_id, v_actor.user_id, p_title, coalesce(p_metadata, '{}'), p_client_key)
        on conflict (owner_id, client_key) do nothing
    returning * into v_request;
    if found then
        return chat.ok(chat.help_request_json(v_request), 201);
    end if;

    select h.* into v_request
      from chat.help_requests h
     where h.owner_id = v_actor.user_id and h.client_key = p_client_key;
    if v_request.title <> p_title or v_request.metadata <> coalesce(p_metadata, '{}') then
        return chat.fail('idempotency_conflict', 'this client_key was used for another help request',
                         jsonb_build_object('help_request_id', v_request.help_request_id));
    end if;
    return chat.ok(chat.help_request_json(v_request) || '{"duplicate": true}');
end
$$;

comment on function api.create_help_request_atomic is 'Ask for help; helpers then open conversations about it.';
