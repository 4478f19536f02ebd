-- api.erase_user_atomic: forget a person (GDPR, article 17): deactivated, out of every group, name, e-mail and
-- external id gone, every message emptied (its place in the log stays), what edits replaced gone too, what they told
-- the assistant deleted.
--
-- Takes    p_user_id: whom, also a contact who was merged; p_actor_id: null for a service, else the user themself.
-- Returns  user_id, affected_count (messages emptied or deleted).
-- Locks    the user's row; joining, in their groups; all member rows there (where they are the last owner, the
--          longest-standing admin, else member, becomes owner); their conversations' rows in id order.
-- Writes   all or nothing: users, messages, changes (a deletion each, so that clients forget too), reactions,
--          blocks, receipts, help_requests (closed), assistant threads, attachments, sessions, outbox; of a contact
--          identities, what providers sent about them, and deliveries that have not gone out.
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
    p_user_id := (v_locked.subject).user_id;
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

    v_count := chat.erase_from_assistant(p_user_id);
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

    perform chat.erase_traces(p_user_id);
    perform chat.erase_from_inbox(p_user_id);
    return chat.ok(jsonb_build_object('user_id', p_user_id, 'affected_count', v_count));
end
$$;

comment on function api.erase_user_atomic is
    'Forget a person: their messages, names and traces; the log keeps its numbers.';
