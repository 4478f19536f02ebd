-- api.is_feature_enabled: whether a feature is on for a user.
--
-- Takes    p_flag; p_user_id: null asks whether it is on for everybody.
-- Returns  flag, enabled. An unknown flag is off.
-- Rule     A user's bucket is SHA-256(flag || ':' || user) modulo 100: fixed, so that a user who has a feature
--          keeps it while the percentage only grows, and different flags pick different users.
-- Fails    validation_error, unauthenticated
create or replace function api.is_feature_enabled(
    p_flag    text,
    p_user_id uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_enabled boolean;
begin
    if p_flag is null then
        return chat.invalid('flag', 'is missing');
    end if;
    if not chat.is_trusted() and chat.subject() is null then
        return chat.fail('unauthenticated');
    end if;
    select f.enabled and (f.rollout_percent = 100 or coalesce(b.bucket < f.rollout_percent, false)) into v_enabled
      from chat.feature_flags f
     cross join lateral (
            select (get_byte(h.hash, 0) * 65536 + get_byte(h.hash, 1) * 256 + get_byte(h.hash, 2)) % 100
              from (select sha256(convert_to(f.flag || ':' || p_user_id, 'UTF8'))) h (hash)) b (bucket)
     where f.flag = p_flag;
    return chat.ok(jsonb_build_object('flag', p_flag, 'enabled', coalesce(v_enabled, false)));
end
$$;

comment on function api.is_feature_enabled is
    'Whether a feature is on for a user; stable while its percentage only grows.';
