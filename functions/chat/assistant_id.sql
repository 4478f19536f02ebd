-- chat.assistant_id: the user id of a tenant's assistant: derived, so that nobody has to look for it.
create or replace function chat.assistant_id(p_tenant_id uuid) returns uuid
language sql immutable
as $$ select chat.derived_id(p_tenant_id, 'assistant') $$;

comment on function chat.assistant_id is 'The user id of a tenant''s assistant.';
