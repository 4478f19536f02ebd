-- chat.is_uuid: whether a text can be cast to uuid without raising.
create or replace function chat.is_uuid(p_text text) returns boolean
language sql immutable
as $$
    select coalesce(p_text ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$', false)
$$;

comment on function chat.is_uuid is 'Whether a text is a uuid in its usual form.';
