-- chat.is_time: whether a text is a time with its offset, in the form of ISO 8601 that there is on every calendar.
create or replace function chat.is_time(p_text text) returns boolean
language plpgsql stable
as $$
begin
    if p_text is null or p_text !~ ('^[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])'
                                    'T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-](0\d|1[0-4]):[0-5]\d)$') then
        return false;
    end if;
    return substr(p_text, 9, 2) <= '28'
           or substr(p_text, 9, 2)::integer
              <= extract(day from (substr(p_text, 1, 7) || '-01')::date + interval '1 month' - interval '1 day');
end
$$;

comment on function chat.is_time is 'Whether a text is a time with its offset.';
