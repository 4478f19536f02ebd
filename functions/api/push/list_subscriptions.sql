-- api.list_subscriptions: every conversation whose events a user is to get, with where its log and the user's
-- marks stand: what a socket needs to know before it can say what it lacks.
--
-- Returns  user_id, tenant_id; desk_id: the tenant whose inbox they answer, too, null for none; has_threads: whether
--          there is anything in that inbox, whose conversations list_threads gives; snapshot (events of transactions
--          visible in it are contained in what is told here);
--          conversations: conversation_id, last_seq, read_seq, delivered_seq, unread_count, joined_seq.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.list_subscriptions(p_actor_id uuid default null) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_actor   record := chat.actor(p_actor_id);
    v_desk_id uuid;
begin
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    select u.tenant_id into v_desk_id from chat.users u where u.user_id = v_actor.user_id and chat.is_agent(u);
    return chat.ok(jsonb_build_object(
        'user_id', v_actor.user_id,
        'tenant_id', v_actor.tenant_id,
        'desk_id', v_desk_id,
        'has_threads', exists (select from chat.threads t where t.tenant_id = v_desk_id),
        'snapshot', pg_current_snapshot()::text,
        'conversations', coalesce((
        select jsonb_agg(jsonb_build_object(
                   'conversation_id', c.conversation_id,
                   'last_seq', c.last_seq,
                   'read_seq', m.read_seq,
                   'delivered_seq', m.delivered_seq,
                   'unread_count', (select u.unread from chat.unread(c, m) u (unread)),
                   'joined_seq', m.joined_seq))
          from chat.members m
          join chat.conversations c on c.conversation_id = m.conversation_id
         where m.user_id = v_actor.user_id and m.left_seq is null and c.kind <> 'inbox'), '[]')));
end
$$;

comment on function api.list_subscriptions is 'Every conversation whose events a user is to get.';
