-- api.delete_attachment_atomic: ChatKit's Store.delete_attachment. Items that mention it stay as they are.
--
-- Takes    p_attachment_id: ChatKit's, any text; p_actor_id: whose.
-- Returns  attachment_id.
-- Writes   attachments -1.
-- Retry    again, or of one that is not there, changes nothing: "duplicate": true.
-- Fails    validation_error, unauthenticated, permission_denied, not_found
create or replace function api.delete_attachment_atomic(
    p_attachment_id text,
    p_actor_id      uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := chat.service_refusal();
    v_actor   record;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    delete from chat.attachments a
     where a.tenant_id = v_actor.tenant_id and a.attachment_id = p_attachment_id and a.user_id = v_actor.user_id;
    return chat.ok(jsonb_build_object('attachment_id', p_attachment_id)
                   || case when found then '{}' else '{"duplicate": true}'::jsonb end);
end
$$;

comment on function api.delete_attachment_atomic is 'Forget what is known of a file.';
