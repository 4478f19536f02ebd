-- chat.session_creation_refusal: checks what needs no lock about a session to be created.
--
-- Takes    the arguments of api.create_session_atomic.
-- Returns  null, or a refusal.
-- Fails    validation_error, too_large
create or replace function chat.session_creation_refusal(
    p_user                  text,
    p_workflow              jsonb,
    p_chatkit_configuration jsonb,
    p_expires_after         jsonb,
    p_rate_limits           jsonb,
    p_client_key            text
) returns jsonb
language plpgsql volatile
as $$
declare
    v_limits chat.limits := (select l from chat.limits l);
begin
    if p_workflow is not null and jsonb_typeof(p_workflow -> 'id') is distinct from 'string' then
        return chat.invalid('workflow', 'must be an object with an id');
    end if;
    if p_expires_after is not null
       and not (jsonb_typeof(p_expires_after) = 'object'
                and coalesce(p_expires_after ->> 'anchor', 'created_at') = 'created_at'
                and chat.is_whole(p_expires_after -> 'seconds', 315360000)) then
        return chat.invalid('expires_after', 'must be {"anchor": "created_at", "seconds": ...}, 1 s to 10 years');
    end if;
    if p_rate_limits is not null
       and not (jsonb_typeof(p_rate_limits) = 'object'
                and chat.is_whole(p_rate_limits -> 'max_requests_per_1_minute', 1000000)) then
        return chat.invalid('rate_limits', 'must be {"max_requests_per_1_minute": ...}, 1 to 1000000');
    end if;
    return coalesce(
        chat.text_refusal('user', p_user, v_limits.name_characters),
        chat.object_refusal('workflow', p_workflow, v_limits.metadata_bytes),
        chat.object_refusal('chatkit_configuration', p_chatkit_configuration, v_limits.metadata_bytes),
        chat.text_refusal('client_key', p_client_key, v_limits.key_characters));
end
$$;

comment on function chat.session_creation_refusal is 'Null, or why a session cannot be created by anyone.';
