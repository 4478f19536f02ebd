-- chat.webhook_digest: SHA-256 of what a provider sent: a repetition is recognised by it.
create or replace function chat.webhook_digest(p_provider text, p_payload text) returns bytea
language sql immutable
as $$ select sha256(convert_to(p_provider || ' ' || p_payload, 'UTF8')) $$;

comment on function chat.webhook_digest is 'SHA-256 of what a provider sent.';
