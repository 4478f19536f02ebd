-- chat.direct_key: the canonical key of the direct conversation of two users, whichever side opens it.
create or replace function chat.direct_key(p_one uuid, p_other uuid) returns text
language sql immutable
as $$ select format('direct:%s:%s', least(p_one, p_other), greatest(p_one, p_other)) $$;

comment on function chat.direct_key is 'The canonical key of two users'' direct conversation.';
