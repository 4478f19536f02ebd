-- chat.is_trusted: whether the caller is a service that may act for anyone. The role that counts is the
-- one in force outside our definer functions: that of set role, else the login's.
create or replace function chat.is_trusted() returns boolean
language sql stable
as $$
    select pg_has_role(coalesce(nullif(current_setting('role'), 'none'), session_user::text), 'parley_api', 'member')
$$;

comment on function chat.is_trusted is 'Whether the caller is a member of parley_api.';
