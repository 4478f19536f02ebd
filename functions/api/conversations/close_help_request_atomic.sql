-- api.close_help_request_atomic: no new conversation may start about a help request. Those there go on.
--
-- Returns  help_request_id, help_request.
-- Locks    the request's row: a conversation being opened comes before, or is refused.
-- Retry    again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.close_help_request_atomic(
    p_help_request_id uuid,
    p_actor_id        uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_actor   record;
    v_request chat.help_requests;
begin
    if p_help_request_id is null then
        return chat.invalid('help_request_id', 'is missing');
    end if;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;

    select h.* into v_request
      from chat.help_requests h
     where h.help_request_id = p_help_request_id and h.tenant_id = v_actor.tenant_id
       for no key update;
    if not found then
        return chat.fail('not_found', 'there is no such help request');
    end if;
    if v_request.owner_id <> v_actor.user_id then
        return chat.fail('permission_denied', 'only its owner closes a help request');
    end if;
    if v_request.closed_at is not null then
        return chat.ok(chat.help_request_json(v_request) || '{"duplicate": true}');
    end if;

    update chat.help_requests h
       set closed_at = clock_timestamp()
     where h.help_request_id = p_help_request_id
    returning h.* into v_request;
    return chat.ok(chat.help_request_json(v_request));
end
$$;

comment on function api.close_help_request_atomic is 'Close a help request: no new conversation may start about it.';
