-- api.set_feature_flag_atomic: switch a feature on or off, for all or a share of users.
--
-- Takes    p_flag: a lower-case name; p_enabled; p_rollout_percent: 0 to 100.
-- Returns  flag, enabled, rollout_percent.
-- Fails    validation_error, permission_denied
create or replace function api.set_feature_flag_atomic(
    p_flag            text,
    p_enabled         boolean default null,
    p_rollout_percent integer default 100
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := chat.service_refusal();
begin
    v_refusal := coalesce(
        v_refusal,
        case when p_flag is null or p_flag !~ '^[a-z][a-z0-9_.-]{0,63}$' then
            chat.invalid('flag', 'must be a lower-case word of at most 64 characters') end,
        case when p_enabled is null then chat.invalid('enabled', 'is missing') end,
        case when p_rollout_percent is null or p_rollout_percent not between 0 and 100 then
            chat.invalid('rollout_percent', 'must be between 0 and 100') end);
    if v_refusal is not null then
        return v_refusal;
    end if;

    insert into chat.feature_flags as f (flag, enabled, rollout_percent)
    values (p_flag, p_enabled, p_rollout_percent)
        on conflict (flag) do update
       set enabled = excluded.enabled, rollout_percent = excluded.rollout_percent, updated_at = clock_timestamp();
    return chat.ok(jsonb_build_object('flag', p_flag, 'enabled', p_enabled, 'rollout_percent', p_rollout_percent));
end
$$;

comment on function api.set_feature_flag_atomic is 'Switch a feature on or off, for all or a share of users.';
