-- api.load_attachment: ChatKit's Store.load_attachment.
--
-- Takes    p_attachment_id: ChatKit's, any text; p_actor_id: whose.
-- Returns  attachment_id, data: the attachment as it was saved.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.load_attachment(
    p_attachment_id text,
    p_actor_id      uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal    jsonb := chat.service_refusal();
    v_actor      record;
    v_attachment chat.attachments;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    select a.* into v_attachment
      from chat.attachments a
     where a.tenant_id = v_actor.tenant_id and a.attachment_id = p_attachment_id and a.user_id = v_actor.user_id;
    if not found then
        return chat.fail('not_found', 'there is no such attachment');
    end if;
    return chat.ok(jsonb_build_object('attachment_id', p_attachment_id, 'data', v_attachment.payload));
end
$$;

comment on function api.load_attachment is 'What is known of a file.';
