-- api.create_conversation_atomic: open a conversation, with its members and first message.
--
-- Takes    the help-request form: p_help_request_id, p_helper_id, p_initial_message (required);
--          direct: p_kind, p_actor_id, p_member_ids (the other one); group: p_kind, p_actor_id, p_member_ids
--          (any number; the actor is its owner), p_title, p_history (all | joined);
--          p_initial_message, p_metadata for each; p_client_key: the creator's key that makes this retryable;
--          p_tenant_id: only checked, the tenant follows from the actor.
-- Returns  conversation_id, conversation, message (the first one, or null).
-- Locks    the members' user rows (blocks and deactivation wait), for help the request's row.
-- Writes   conversations +1, members, the first message, outbox: all or nothing.
-- Retry    same p_client_key: the first result with "duplicate": true; other content is refused. Direct and
--          help conversations exist once per pair, and per request and helper, with or without a key.
-- Fails    validation_error, unsupported, unauthenticated, permission_denied, blocked, not_found,
--          conversation_exists, idempotency_conflict, conversation_closed, too_large
create or replace function api.create_conversation_atomic(
    p_help_request_id uuid default null,
    p_helper_id       uuid default null,
    p_initial_message text default null,
    p_actor_id        uuid default null,
    p_kind            text default null,
    p_member_ids      uuid[] default null,
    p_title           text default null,
    p_metadata        jsonb default null,
    p_client_key      text default null,
    p_tenant_id       uuid default null,
    p_history         text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_kind         text := coalesce(p_kind, case when p_help_request_id is not null then 'help' end);
    v_actor        record;
    v_refusal      jsonb;
    v_request      chat.help_requests;
    v_member_ids   uuid[];
    v_key          text;
    v_conversation chat.conversations;
    v_message      jsonb;
begin
    v_refusal := chat.creation_refusal(v_kind, p_help_request_id, p_initial_message, p_title, p_metadata,
                                       p_client_key, p_history, p_member_ids);
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_actor := chat.actor(coalesce(p_actor_id, case v_kind when 'help' then p_helper_id end));
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    if p_tenant_id <> v_actor.tenant_id then
        return chat.fail('not_found', 'there is no such tenant');
    end if;

    -- Who is in it, and what it is about.
    if v_kind = 'help' then
        if coalesce(p_helper_id, v_actor.user_id) <> v_actor.user_id then
            return chat.fail('permission_denied', 'only the helper starts a conversation about a help request');
        end if;
        select h.* into v_request
          from chat.help_requests h
         where h.help_request_id = p_help_request_id and h.tenant_id = v_actor.tenant_id;
        if not found then
            return chat.fail('not_found', 'there is no such help request');
        end if;
        if v_request.owner_id = v_actor.user_id then
            return chat.fail('permission_denied', 'owners do not help themselves');
        end if;
        v_member_ids := array[v_request.owner_id];
        v_key := format('help:%s:%s', p_help_request_id, v_actor.user_id);
    else
        v_member_ids := array(select distinct w.user_id from unnest(p_member_ids) w (user_id)
                               where w.user_id <> v_actor.user_id
                               order by w.user_id);
        if v_kind = 'direct' then
            if cardinality(v_member_ids) <> 1 then
                return chat.invalid('member_ids', 'must name exactly one other user');
            end if;
            v_key := chat.direct_key(v_actor.user_id, v_member_ids[1]);
        elsif p_client_key is not null then
            v_key := format('group:%s:%s', v_actor.user_id, p_client_key);
        end if;
    end if;

    -- A deactivation, block or closing that made us wait for these rows is seen from here on.
    v_refusal := chat.lock_users(v_actor.tenant_id, v_member_ids || v_actor.user_id, 'member_ids');
    if v_kind = 'help' then
        select h.* into v_request
          from chat.help_requests h
         where h.help_request_id = p_help_request_id
           for share;
    end if;

    v_conversation.conversation_id := coalesce(chat.derived_id(v_actor.tenant_id, v_key), chat.new_id());
    v_conversation.request_digest := chat.digest(jsonb_build_array(
        v_kind, p_help_request_id, v_member_ids, p_initial_message, p_title, coalesce(p_metadata, '{}'),
        coalesce(p_history, 'all')));
    -- What is there already is told first: a retry stays one after a member was deactivated.
    if exists (select from chat.conversations c where c.conversation_id = v_conversation.conversation_id) then
        return chat.existing_conversation(v_conversation.conversation_id, v_actor.user_id, p_client_key,
                                          v_conversation.request_digest, p_initial_message is not null);
    end if;
    if v_refusal is not null then
        return v_refusal;
    end if;
    if v_request.closed_at is not null then
        return chat.fail('conversation_closed', 'this help request is closed');
    end if;
    if v_kind in ('direct', 'help')
       and exists (select from chat.blocks b
                    where (b.blocker_id, b.blocked_id) in ((v_actor.user_id, v_member_ids[1]),
                                                           (v_member_ids[1], v_actor.user_id))) then
        return chat.fail('blocked');
    end if;

    insert into chat.conversations (conversation_id, tenant_id, kind, canonical_key, help_request_id, title, metadata,
                                    history, created_by, client_key, request_digest, member_count)
    values (v_conversation.conversation_id, v_actor.tenant_id, v_kind, v_key, p_help_request_id, p_title,
            coalesce(p_metadata, '{}'), coalesce(p_history, 'all'), v_actor.user_id, p_client_key,
            case when p_client_key is not null then v_conversation.request_digest end, cardinality(v_member_ids) + 1)
        -- On any key: two at once may meet on that of the canonical key first.
        on conflict do nothing;
    if not found then
        -- Someone else was first, at the same moment; the statement waited for their commit.
        return chat.existing_conversation(v_conversation.conversation_id, v_actor.user_id, p_client_key,
                                          v_conversation.request_digest, p_initial_message is not null);
    end if;

    insert into chat.members (conversation_id, user_id, tenant_id, role, joined_seq, delivered_seq, read_seq)
    select v_conversation.conversation_id, w.user_id, v_actor.tenant_id,
           case when w.user_id = v_actor.user_id and v_kind = 'group' then 'owner' else 'member' end, 0, 0, 0
      from unnest(v_member_ids || v_actor.user_id) w (user_id);
    perform chat.publish(c.conversation_id, jsonb_build_object(
                'type', 'conversation_created', 'conversation_id', c.conversation_id, 'seq', 0,
                'conversation', chat.conversation_json(c),
                'user_ids', to_jsonb(v_member_ids || v_actor.user_id))::text)
       from chat.conversations c
      where c.conversation_id = v_conversation.conversation_id;
    if p_initial_message is not null then
        v_message := chat.append_message(
            v_conversation.conversation_id, v_actor.user_id, v_actor.display_name, v_actor.kind, 'text',
            p_initial_message, '{}',
            p_excluded => chat.excluded_members(v_conversation.conversation_id, v_actor.user_id));
    end if;
    return chat.created_conversation(v_conversation.conversation_id, v_message, false);
end
$$;

comment on function api.create_conversation_atomic is
    'Open a conversation (direct, group, help) with its members and first message; once per canonical key.';
