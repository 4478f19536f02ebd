-- chat.secret_digest: what is kept of a client secret: its SHA-256. It is long and random: no salt is needed.
create or replace function chat.secret_digest(p_secret text) returns bytea
language sql immutable
as $$ select sha256(convert_to(p_secret, 'UTF8')) $$;

comment on function chat.secret_digest is 'What is kept of a client secret.';
