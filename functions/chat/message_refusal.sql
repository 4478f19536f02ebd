-- chat.message_refusal: checks what needs no lock about a message to be sent.
--
-- Takes    the arguments of api.send_message_atomic.
-- Returns  null, or a refusal: text needs content; other types may do without; system cannot be sent.
-- Fails    validation_error, too_large
create or replace function chat.message_refusal(
    p_content           text,
    p_client_message_id text,
    p_type              text,
    p_metadata          jsonb
) returns jsonb
language plpgsql volatile
as $$
declare
    v_content_characters integer;
    v_key_characters     integer;
begin
    if p_type is null or p_type <> 'text' and p_type !~ '^[a-z][a-z0-9_.-]{0,31}$' then
        return chat.invalid('type', 'must be a lower-case word of at most 32 characters');
    end if;
    if p_type = 'system' then
        return chat.invalid('type', 'system is not for sending');
    end if;
    if p_type = 'text' and coalesce(p_content, '') !~ '\S' then
        return chat.invalid('content', 'is empty');
    end if;
    select l.content_characters, l.key_characters
      into v_content_characters, v_key_characters
      from chat.limits l;
    if length(p_content) > v_content_characters then
        return chat.oversized('content', v_content_characters, 'characters');
    end if;
    if p_client_message_id !~ '\S' or length(p_client_message_id) > v_key_characters then
        return chat.text_refusal('client_message_id', p_client_message_id, v_key_characters);
    end if;
    if p_metadata is not null then
        return chat.metadata_refusal(p_metadata);
    end if;
    return null;
end
$$;

comment on function chat.message_refusal is 'Null, or why a message cannot be sent by anyone.';
