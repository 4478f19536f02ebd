-- api.export_user: everything kept about a user, as one document (GDPR, article 20).
--
-- Takes    p_user_id: whom, also a contact who was merged; p_actor_id: null for a service, else the user themself.
-- Returns  user, memberships, messages (all they sent, with what edits and deletions replaced), reactions,
--          blocks, help_requests, receipts; of a contact identities and threads; of who talked to the assistant
--          sessions, assistant_threads, thread_items (ChatKit's), attachments; runs (what was asked of a bot).
-- Rule     Items that are hidden from the user are given to a service alone.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.export_user(
    p_user_id  uuid,
    p_actor_id uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal    jsonb := chat.self_refusal(p_user_id, p_actor_id);
    v_user_id    uuid := chat.resolved_contact(p_user_id);
    v_is_service boolean := p_actor_id is null and chat.is_service();
    v_user       chat.users;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    select u.* into v_user from chat.users u where u.user_id = v_user_id;
    if not found then
        return chat.fail('not_found', 'there is no such user');
    end if;

    return chat.ok(jsonb_build_object(
        'user', chat.user_json(v_user),
        'memberships', (
            select coalesce(jsonb_agg(to_jsonb(m) - 'user_id' order by m.conversation_id), '[]')
              from chat.members m where m.user_id = v_user_id),
        'identities', (
            select coalesce(jsonb_agg(to_jsonb(i) - 'contact_id' order by i.kind, i.value), '[]')
              from chat.contact_identities i where i.tenant_id = v_user.tenant_id and i.contact_id = v_user_id),
        'threads', (
            select coalesce(jsonb_agg(to_jsonb(t) - 'contact_id'), '[]')
              from chat.threads t where t.tenant_id = v_user.tenant_id and t.contact_id = v_user_id),
        'messages', (
            select coalesce(jsonb_agg(
                       chat.message_json(t, v_user.display_name) || jsonb_build_object('previous_contents', (
                           select coalesce(jsonb_agg(ch.previous_content order by ch.seq), '[]')
                             from chat.changes ch
                            where ch.conversation_id = t.conversation_id and ch.message_id = t.id
                              and ch.previous_content is not null))
                       order by t.conversation_id, t.seq), '[]')
              from chat.members m
              join chat.messages t on t.conversation_id = m.conversation_id and t.sender_id = m.user_id
             where m.user_id = v_user_id),
        'reactions', (
            select coalesce(jsonb_agg(to_jsonb(r) - 'user_id' order by r.conversation_id, r.seq), '[]')
              from chat.members m
              join chat.reactions r on r.conversation_id = m.conversation_id and r.user_id = m.user_id
             where m.user_id = v_user_id),
        'blocks', (
            select coalesce(jsonb_agg(to_jsonb(b) - 'blocker_id' order by b.blocked_id), '[]')
              from chat.blocks b where b.blocker_id = v_user_id),
        'help_requests', (
            select coalesce(jsonb_agg(to_jsonb(h) order by h.created_at), '[]')
              from chat.help_requests h where h.owner_id = v_user_id),
        'receipts', (
            select coalesce(jsonb_agg(to_jsonb(r) - 'user_id' order by r.conversation_id, r.kind, r.seq), '[]')
              from chat.members m
              join chat.receipts r on r.conversation_id = m.conversation_id and r.user_id = m.user_id
             where m.user_id = v_user_id),
        'sessions', (
            select coalesce(jsonb_agg(to_jsonb(s) - '{user_id,secret_digest,request_digest}'::text[]
                                      order by s.created_at), '[]')
              from chat.sessions s where s.user_id = v_user_id),
        'assistant_threads', (
            select coalesce(jsonb_agg(chat.conversation_json(c) || to_jsonb(t) - 'user_id' order by t.position), '[]')
              from chat.assistant_threads t
              join chat.conversations c on c.conversation_id = t.conversation_id
             where t.user_id = v_user_id),
        'thread_items', (
            select coalesce(jsonb_agg(to_jsonb(i) order by t.position, m.seq), '[]')
              from chat.assistant_threads t
              join chat.thread_items i on i.conversation_id = t.conversation_id
              join chat.messages m on m.conversation_id = i.conversation_id and m.id = i.message_id
             where t.user_id = v_user_id
               and (v_is_service or not exists (
                        select from chat.exclusions e
                         where e.conversation_id = m.conversation_id and e.user_id = v_user_id and e.seq = m.seq))),
        'attachments', (
            select coalesce(jsonb_agg(to_jsonb(a) - 'user_id' order by a.created_at), '[]')
              from chat.attachments a where a.user_id = v_user_id),
        'runs', (
            select coalesce(jsonb_agg(chat.run_json(r) || jsonb_build_object('configuration', r.configuration)
                                      order by r.created_at), '[]')
              from chat.members m
              join chat.runs r on r.conversation_id = m.conversation_id and r.actor_id = m.user_id
             where m.user_id = v_user_id)));
end
$$;

comment on function api.export_user is 'Everything kept about a user, as one document.';
