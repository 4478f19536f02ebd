-- chat.fitted_metadata: what a provider told about a message, cut where it is larger than metadata may be. The
-- payload as it came has it all.
--
-- Takes    p_metadata: null is fine.
-- Returns  an object: of its values the largest become {"truncated": true}, as many as it takes.
create or replace function chat.fitted_metadata(p_metadata jsonb) returns jsonb
language plpgsql stable
as $$
declare
    v_most     integer;
    v_key      text;
    v_metadata jsonb := coalesce(nullif(p_metadata, 'null'), '{}');
begin
    if v_metadata = '{}' then
        return v_metadata;
    end if;
    select l.metadata_bytes into v_most from chat.limits l;
    for v_key in
        select v.key from jsonb_each(v_metadata) v where octet_length(v_metadata::text) > v_most
         order by octet_length(v.value::text) desc, v.key
    loop
        exit when octet_length(v_metadata::text) <= v_most;
        v_metadata := v_metadata || jsonb_build_object(v_key, '{"truncated": true}'::jsonb);
    end loop;
    return case when octet_length(v_metadata::text) <= v_most then v_metadata else '{"truncated": true}' end;
end
$$;

comment on function chat.fitted_metadata is 'What a provider told about a message, cut where it is too large.';
