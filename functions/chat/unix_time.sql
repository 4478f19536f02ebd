-- chat.unix_time: a time as OpenAI's API writes it: whole seconds since 1970.
create or replace function chat.unix_time(p_time timestamptz) returns bigint
language sql immutable
as $$ select floor(extract(epoch from p_time))::bigint $$;

comment on function chat.unix_time is 'A time in whole seconds since 1970.';
