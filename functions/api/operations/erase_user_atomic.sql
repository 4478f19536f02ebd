-- api.erase_user_atomic: forget a person (GDPR, article 17): deactivated, out of every group, name, e-mail and
-- external id gone, every message emptied (its place in the log stays), what edits replaced gone too.
--
-- Takes    p_user_id: whom; p_actor_id: null for a service, else the user themself.
-- Returns  user_id, affected_count (messages emptied).
-- Locks    the user's row; joining, in their groups; all member rows there (where they are the last owner, the
--          longest-standing admin, else member, becomes owner); their conversations' rows in id order.
-- Writes   all or nothing: users, messages, changes (a deletion each, so that clients forget too), reactions,
--          blocks, receipts, help_requests (closed), outbox.
-- Retry    again changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.erase_user_atomic(
    p_user_id  uuid,
    p_actor_id uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_locked  record := chat.lock_subject(p_user_id, p_actor_id);
    v_message chat.messages;
    v_count   integer := 0;
begin
    if v_locked.refusal is not null then
        return v_locked.refusal;
    end if;
    if (v_locked.subject).erased_at is not null then
        return chat.ok(jsonb_build_object('user_id', p_user_id, 'affected_count', 0, 'duplicate', true));
    end if;

    perform chat.lock_history(p_user_id);
    -- The name goes first: no system message written from here on may carry it.
    update chat.users u
       set display_name = 'Erased user', external_id = null, email = null, updated_at = clock_timestamp(),
           deactivated_at = coalesce(u.deactivated_at, clock_timestamp()), erased_at = clock_timestamp()
     where u.user_id = p_user_id;
    perform chat.retire_user(p_user_id, null, true);

    for v_message in
        select t.*
          from chat.members m
          join chat.messages t on t.conversation_id = m.conversation_id and t.sender_id = m.user_id
         where m.user_id = p_user_id and t.deleted_at is null
         order by t.conversation_id, t.seq
    loop
        perform chat.withdraw_message(v_message, null);
        v_count := v_count + 1;
    end loop;

    update chat.changes ch
       set previous_content = null, data = '{}'
      from chat.messages t
      join chat.members m on m.conversation_id = t.conversation_id and m.user_id = t.sender_id
     where m.user_id = p_user_id and ch.conversation_id = t.conversation_id and ch.message_id = t.id
       and ch.kind in ('message_edited', 'message_deleted');
    update chat.messages t
       set content = 'The members changed', metadata = t.metadata - 'name'
      from chat.members m
     where m.user_id = p_user_id and t.conversation_id = m.conversation_id and t.source = 'system'
       and (t.metadata -> 'user_ids' ? p_user_id::text or t.metadata ->> 'actor_id' = p_user_id::text);
    with gone as (
        delete from chat.reactions r
         using chat.members m
         where m.user_id = p_user_id and r.conversation_id = m.conversation_id and r.user_id = m.user_id
        returning r.conversation_id, r.message_id)
    update chat.messages t
       set reaction_count = t.reaction_count - g.count
      from (select gone.conversation_id, gone.message_id, count(*) from gone group by 1, 2) g
     where t.conversation_id = g.conversation_id and t.id = g.message_id;
    delete from chat.receipts r
     using chat.members m
     where m.user_id = p_user_id and r.conversation_id = m.conversation_id and r.user_id = m.user_id;
    perform from chat.blocks b
      where p_user_id in (b.blocker_id, b.blocked_id)
      order by b.blocker_id, b.blocked_id
        for update;
    delete from chat.blocks b where p_user_id in (b.blocker_id, b.blocked_id);
    update chat.help_requests h
       set title = 'Erased', metadata = '{}', client_key = null, closed_at = coalesce(h.closed_at, clock_timestamp())
     where h.owner_id = p_user_id;
    return chat.ok(jsonb_build_object('user_id', p_user_id, 'affected_count', v_count));
end
$$;

comment on function api.erase_user_atomic is 'Forget a person: their messages, names and traces; the log keeps its numbers.';
