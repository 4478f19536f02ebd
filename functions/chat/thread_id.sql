-- chat.thread_id: the inbox conversation that a desk names by its id or by the contact's phone number.
--
-- Takes    p_thread: a conversation id, or a number: E.164, its digits, or as the provider writes it.
-- Returns  the conversation's id as it was given, or that of the contact with this number; null when it is neither.
create or replace function chat.thread_id(p_tenant_id uuid, p_thread text) returns uuid
language plpgsql stable
as $$
declare
    v_digits text;
begin
    if chat.is_uuid(p_thread) then
        return p_thread::uuid;
    end if;
    v_digits := regexp_replace(p_thread, '[^0-9]', '', 'g');
    if p_thread !~ '^[-+0-9 ().]+$' or v_digits = '' then
        return null;
    end if;
    return (select t.conversation_id
              from chat.contact_identities i
              join chat.threads t on t.tenant_id = i.tenant_id and t.contact_id = i.contact_id
             where i.tenant_id = p_tenant_id and (i.kind, i.value) in (('phone', '+' || v_digits), ('wa_id', v_digits))
             order by i.retired_at is not null, i.kind
             limit 1);
end
$$;

comment on function chat.thread_id is 'The conversation a desk names by id or phone number.';
