-- api.park_webhook_atomic: keep what a provider sent although taking it in failed, so that the provider may be
-- answered and nothing is lost. A repetition, or giving it to receive_webhooks_atomic again, takes it in.
--
-- Takes    p_provider, p_payload: the body as it came; p_problem: what went wrong, such as an error id of the logs.
-- Returns  nothing more; "duplicate": true when it is kept, or taken in, already.
-- Writes   webhooks +1.
-- Retry    naturally.
-- Fails    validation_error, permission_denied
create or replace function api.park_webhook_atomic(
    p_provider text,
    p_payload  text default null,
    p_problem  text default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := chat.service_refusal();
begin
    v_refusal := coalesce(
        v_refusal,
        case when p_provider is null then chat.invalid('provider', 'is missing') end,
        case when p_payload is null then chat.invalid('payload', 'is missing') end,
        case when p_problem is null then chat.invalid('problem', 'is missing') end);
    if v_refusal is not null then
        return v_refusal;
    end if;

    insert into chat.webhooks (digest, provider, payload, problem)
    values (chat.webhook_digest(p_provider, p_payload), p_provider, p_payload, p_problem)
        on conflict (digest) do nothing;
    if not found then
        return chat.ok('{"duplicate": true}');
    end if;
    return chat.ok('{}', 201);
end
$$;

comment on function api.park_webhook_atomic is 'Keep what a provider sent although taking it in failed.';
