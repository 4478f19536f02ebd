-- chat.creation_refusal: checks what needs no lock about a conversation to be created.
--
-- Takes    the arguments of api.create_conversation_atomic; p_kind: as derived there.
-- Returns  null, or a refusal.
-- Fails    validation_error, unsupported, too_large
create or replace function chat.creation_refusal(
    p_kind            text,
    p_help_request_id uuid,
    p_initial_message text,
    p_title           text,
    p_metadata        jsonb,
    p_client_key      text,
    p_history         text,
    p_member_ids      uuid[]
) returns jsonb
language plpgsql volatile
as $$
declare
    v_limits chat.limits := (select l from chat.limits l);
begin
    if p_kind is null or p_kind not in ('direct', 'group', 'help', 'inbox', 'assistant') then
        return chat.invalid('kind', 'must be direct, group or help');
    end if;
    if p_kind in ('inbox', 'assistant') then
        return chat.fail('unsupported', format('%s conversations are not opened this way', p_kind));
    end if;
    if (p_kind = 'help') <> (p_help_request_id is not null) then
        return chat.invalid('help_request_id', 'is for help conversations, and they need it');
    end if;
    if p_kind = 'help' and p_member_ids is not null then
        return chat.invalid('member_ids', 'are given by the help request');
    end if;
    if p_kind = 'help' and p_initial_message is null then
        return chat.invalid('initial_message', 'is missing');
    end if;
    if p_initial_message !~ '\S' then
        return chat.invalid('initial_message', 'is empty');
    end if;
    if length(p_initial_message) > v_limits.content_characters then
        return chat.oversized('initial_message', v_limits.content_characters, 'characters');
    end if;
    if p_history is not null and p_history not in ('all', 'joined') then
        return chat.invalid('history', 'must be all or joined');
    end if;
    return coalesce(
        chat.member_ids_refusal(p_member_ids),
        chat.text_refusal('title', p_title, v_limits.title_characters),
        chat.text_refusal('client_key', p_client_key, v_limits.key_characters),
        chat.metadata_refusal(p_metadata));
end
$$;

comment on function chat.creation_refusal is 'Null, or why a conversation cannot be created by anyone.';
