-- api.announce_typing: tell the others that a member is typing, in an inbox the desk. Nothing is kept.
--
-- Returns  nothing more.
-- Writes   outbox +1.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member, blocked,
--          conversation_closed
create or replace function api.announce_typing(
    p_conversation_id uuid,
    p_actor_id        uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_reader   record := chat.reader(p_conversation_id, p_actor_id);
    v_position bigint;
begin
    if v_reader.refusal is not null then
        return v_reader.refusal;
    end if;
    if chat.is_blocked_pair(v_reader.conversation_id, v_reader.user_id) then
        return chat.fail('blocked');
    end if;
    perform from chat.conversations c where c.conversation_id = v_reader.conversation_id and c.closed_at is not null;
    if found then
        return chat.fail('conversation_closed');
    end if;

    v_position := chat.publish(
        v_reader.conversation_id,
        jsonb_build_object('type', 'typing', 'conversation_id', v_reader.conversation_id,
                           'user_id', v_reader.user_id)::text,
        chat.excluded_members(v_reader.conversation_id, v_reader.user_id) || v_reader.user_id,
        case when v_reader.kind = 'inbox' then v_reader.tenant_id end);
    return chat.ok();
end
$$;

comment on function api.announce_typing is 'Tell the others that a member is typing; nothing is kept.';
