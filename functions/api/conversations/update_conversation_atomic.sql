-- api.update_conversation_atomic: change a conversation's title or metadata.
--
-- Takes    p_title, p_metadata: null leaves as it is; an empty title takes it away, metadata is replaced whole.
-- Returns  conversation.
-- Locks    the actor's member row, then the conversation row.
-- Writes   conversations, changes +1 (with what was there before), outbox +1.
-- Retry    the same values again change nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member, blocked,
--          conversation_closed, too_large
create or replace function api.update_conversation_atomic(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_title           text default null,
    p_metadata        jsonb default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb;
    v_by      record;
    v_id      uuid;
begin
    v_refusal := coalesce(
        chat.text_refusal('title', nullif(p_title, ''), (select l.title_characters from chat.limits l)),
        chat.metadata_refusal(p_metadata),
        case when p_title is null and p_metadata is null then
            chat.invalid('title', 'and metadata are both missing') end);
    if v_refusal is not null then
        return v_refusal;
    end if;

    v_by := chat.participant(p_conversation_id, p_actor_id);
    if v_by.refusal is not null then
        return v_by.refusal;
    end if;

    v_id := (v_by.conversation).conversation_id;
    v_refusal := chat.manager_refusal(v_by.conversation, v_by.role);
    if v_refusal is not null then
        return v_refusal;
    end if;
    if coalesce(p_title = coalesce((v_by.conversation).title, ''), true)
       and coalesce(p_metadata = (v_by.conversation).metadata, true) then
        return chat.changed_conversation(v_id, true);
    end if;
    if (v_by.conversation).closed_at is not null then
        return chat.fail('conversation_closed');
    end if;
    if chat.is_blocked_pair(v_id, v_by.user_id) then
        return chat.fail('blocked');
    end if;

    update chat.conversations c
       set title = nullif(coalesce(p_title, c.title), ''), metadata = coalesce(p_metadata, c.metadata)
     where c.conversation_id = v_id;
    perform chat.append_change(
        v_id, 'conversation_updated', v_by.user_id,
        p_data => jsonb_build_object('title', (v_by.conversation).title, 'metadata', (v_by.conversation).metadata));
    return chat.changed_conversation(v_id);
end
$$;

comment on function api.update_conversation_atomic is 'Change a conversation''s title or metadata.';
