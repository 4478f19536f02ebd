-- chat.digest: SHA-256 of a request's arguments: tells a retry from another request with the same key.
create or replace function chat.digest(p_request jsonb) returns bytea
language sql immutable
as $$ select sha256(convert_to(p_request::text, 'UTF8')) $$;

comment on function chat.digest is 'SHA-256 of a request''s arguments.';
