-- api.save_attachment_atomic: ChatKit's Store.save_attachment: keep what is known of a file; the file is elsewhere.
--
-- Takes    p_attachment_id: ChatKit's, any text; p_actor_id: whose; p_attachment: an Attachment.
-- Returns  attachment_id, data.
-- Locks    the user's row, shared (deactivation and erasure wait their turn); the attachment's row.
-- Writes   attachments.
-- Retry    naturally: the last one saved stays.
-- Fails    validation_error, unauthenticated, permission_denied, not_found (somebody else's), too_large
create or replace function api.save_attachment_atomic(
    p_attachment_id text,
    p_actor_id      uuid default null,
    p_attachment    jsonb default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_limits  chat.limits := (select l from chat.limits l);
    v_actor   record;
    v_refusal jsonb := coalesce(
        chat.service_refusal(),
        case when p_attachment_id is null then chat.invalid('attachment_id', 'is missing')
             when p_attachment is null then chat.invalid('attachment', 'is missing') end,
        chat.text_refusal('attachment_id', p_attachment_id, v_limits.key_characters),
        chat.object_refusal('attachment', p_attachment, v_limits.item_bytes));
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    perform from chat.users u where u.user_id = p_actor_id for share;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    insert into chat.attachments as a (tenant_id, attachment_id, user_id, payload)
    values (v_actor.tenant_id, p_attachment_id, v_actor.user_id, p_attachment)
        on conflict (tenant_id, attachment_id) do update
       set payload = excluded.payload
     where a.user_id = excluded.user_id;
    if not found then
        return chat.fail('not_found', 'there is no such attachment');
    end if;
    return chat.ok(jsonb_build_object('attachment_id', p_attachment_id, 'data', p_attachment));
end
$$;

comment on function api.save_attachment_atomic is 'Keep what is known of a file.';
