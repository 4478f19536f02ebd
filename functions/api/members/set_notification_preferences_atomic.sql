-- api.set_notification_preferences_atomic: what a member wants to be notified of in a conversation.
--
-- Takes    p_notify: all | mentions | none; p_muted_until: silent before this time; null leaves either as it is, a
--          time that has passed ends muting.
-- Returns  notify, muted_until (null when not muted).
-- Locks    the actor's member row.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.set_notification_preferences_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_notify          text default null,
    p_muted_until     timestamptz default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_actor  record;
    v_member chat.members;
begin
    if p_notify is not null and p_notify not in ('all', 'mentions', 'none') then
        return chat.invalid('notify', 'must be all, mentions or none');
    end if;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;

    update chat.members m
       set notify = coalesce(p_notify, m.notify),
           muted_until = case when p_muted_until <= now() then null else coalesce(p_muted_until, m.muted_until) end
     where m.conversation_id = p_conversation_id and m.user_id = v_actor.user_id and m.left_seq is null
    returning m.* into v_member;
    if not found then
        return chat.outsider(p_conversation_id, v_actor.tenant_id);
    end if;
    return chat.ok(jsonb_build_object('notify', v_member.notify, 'muted_until', v_member.muted_until));
end
$$;

comment on function api.set_notification_preferences_atomic is
    'What a member wants to be notified of in a conversation.';
