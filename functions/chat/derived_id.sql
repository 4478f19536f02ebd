-- chat.derived_id: the id of the conversation about a key. Same tenant and key, same id, on every node:
-- the primary key alone makes the conversation unique.
--
-- Takes    p_tenant_id, p_canonical_key.
-- Returns  a name-based uuid v8: the first 128 bits of SHA-256(tenant uuid || key), version and variant
--          set (RFC 9562, appendix B.2). SHA-256 because parts of a key may be chosen by strangers.
create or replace function chat.derived_id(p_tenant_id uuid, p_canonical_key text) returns uuid
language sql immutable
as $$
    select encode(
        set_byte(set_byte(h.hash,
            6, (get_byte(h.hash, 6) & 15) | 128),
            8, (get_byte(h.hash, 8) & 63) | 128),
        'hex')::uuid
      from (select substring(sha256(uuid_send(p_tenant_id) || convert_to(p_canonical_key, 'UTF8')) from 1 for 16))
           h (hash)
$$;

comment on function chat.derived_id is 'The conversation id that belongs to a tenant''s canonical key.';
