-- chat.user_json: a user as callers see them.
create or replace function chat.user_json(p_user chat.users) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'user_id', p_user.user_id,
        'tenant_id', p_user.tenant_id,
        'display_name', p_user.display_name,
        'kind', p_user.kind,
        'external_id', p_user.external_id,
        'email', p_user.email,
        'created_at', p_user.created_at,
        'deactivated_at', p_user.deactivated_at)
$$;

comment on function chat.user_json is 'A user as callers see them.';
