-- chat.event_problem: whether an event has the neutral form in which adapters give what providers tell.
--
-- Takes    p_event: see docs/inbox.md.
-- Returns  null, or what is wrong: the field and the problem.
create or replace function chat.event_problem(p_event jsonb) returns text
language plpgsql stable
as $$
declare
    v_kind  text := p_event ->> 'kind';
    v_at    text := p_event ->> 'at';
    v_value jsonb;
    v_field text;
begin
    if jsonb_typeof(p_event) <> 'object' then
        return 'is not an object';
    end if;
    if v_kind is null or v_kind not in ('message', 'echo', 'edit', 'revoke', 'reaction', 'system', 'status') then
        return 'kind is none of those known';
    end if;
    if not chat.is_time(v_at) then
        return 'at is not a time';
    end if;
    foreach v_field in array case
        when v_kind = 'status' then array['target', 'status', 'address']
        when v_kind in ('message', 'echo') then array['id', 'type', 'address']
        when v_kind = 'edit' then array['target', 'by', 'type', 'address']
        when v_kind = 'system' then array['id', 'event', 'address']
        else array['target', 'by', 'address'] end
    loop
        v_value := p_event -> v_field;
        if v_value is null or jsonb_typeof(v_value) <> 'string' or v_value = '""'
           or octet_length(v_value::text) > 1000 then
            return v_field || ' is missing, or no text of at most 1,000 bytes';
        end if;
    end loop;
    if v_kind = 'status' then
        return case when p_event ->> 'status' not in ('sent', 'delivered', 'read', 'played', 'failed') then
                        'status is none of those known'
                    when jsonb_typeof(p_event -> 'error') not in ('object', 'null') then
                        'error is not an object' end;
    end if;

    v_value := p_event -> 'contact';
    if v_value is null or v_value = '{}' or not chat.is_identities(v_value) then
        return 'contact has no identity, or what is none';
    end if;
    if v_kind in ('message', 'echo', 'edit') then
        if p_event ->> 'type' !~ '^[a-z][a-z0-9_.-]{0,31}$' or p_event ->> 'type' = 'system' then
            return 'type is no lower-case word of at most 32 characters';
        end if;
        if jsonb_typeof(p_event -> 'metadata') not in ('object', 'null') then
            return 'metadata is not an object';
        end if;
        if octet_length(p_event ->> 'reply_to') > 1000 then
            return 'reply_to is longer than 1,000 bytes';
        end if;
    elsif v_kind = 'reaction' and length(p_event ->> 'emoji') > 32 then
        return 'emoji is longer than 32 characters';
    elsif v_kind = 'system'
          and (p_event ->> 'event' not in ('contact_number_changed', 'contact_identity_changed')
               or coalesce(jsonb_typeof(p_event -> 'new'), '') <> 'object'
               or not chat.is_identities(p_event -> 'new')) then
        return 'event is none of those known, or new is no object of identities';
    end if;
    if p_event ->> 'by' not in ('contact', 'business') then
        return 'by is neither contact nor business';
    end if;
    return null;
end
$$;

comment on function chat.event_problem is 'Null, or why something is no event in the neutral form.';
