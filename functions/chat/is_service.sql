-- chat.is_service: whether the caller acts on no one's behalf: trusted, and without a person's token.
create or replace function chat.is_service() returns boolean
language sql stable
as $$
    select chat.is_trusted() and nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub' is null
$$;

comment on function chat.is_service is 'Whether the caller is a service that acts for nobody.';
