-- chat.event_refusal: checks what needs no lock about an event of a provider.
--
-- Takes    p_event: with its "provider".
-- Returns  null, or a refusal.
-- Fails    validation_error
create or replace function chat.event_refusal(p_event jsonb) returns jsonb
language plpgsql volatile
as $$
declare
    v_problem text := chat.event_problem(p_event);
begin
    if v_problem is null and coalesce(p_event ->> 'provider', '') !~ '^[a-z][a-z0-9_]{0,31}$' then
        v_problem := 'provider is no lower-case word of at most 32 characters';
    end if;
    if v_problem is null then
        return null;
    end if;
    return chat.fail('validation_error', v_problem, jsonb_build_object('field', split_part(v_problem, ' ', 1)));
end
$$;

comment on function chat.event_refusal is 'Null, or why an event of a provider is refused.';
