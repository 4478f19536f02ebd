-- chat.item_refusal: checks what needs no lock about a ChatKit item to be kept.
--
-- Returns  null, or a refusal.
-- Fails    validation_error, too_large
create or replace function chat.item_refusal(p_item jsonb) returns jsonb
language plpgsql volatile
as $$
declare
    v_limits  chat.limits := (select l from chat.limits l);
    v_type    text := p_item ->> 'type';
    v_most    integer;
    v_refusal jsonb;
begin
    if p_item is null then
        return chat.invalid('item', 'is missing');
    end if;
    v_refusal := coalesce(
        chat.object_refusal('item', p_item, v_limits.item_bytes),
        chat.text_refusal('item.id', coalesce(p_item ->> 'id', ''), v_limits.key_characters));
    if v_refusal is not null then
        return v_refusal;
    end if;
    if v_type is null or v_type !~ '^[a-z][a-z0-9_.-]{0,31}$' or v_type in ('text', 'system') then
        return chat.invalid('item.type', 'must be one of ChatKit''s');
    end if;
    if v_type in ('user_message', 'assistant_message') then
        if jsonb_typeof(p_item -> 'content') is distinct from 'array' then
            return chat.invalid('item.content', 'must be an array');
        end if;
        -- What the assistant says may be a run's answer.
        v_most := case v_type when 'user_message' then v_limits.content_characters else v_limits.answer_characters end;
        if length((chat.item_fields(p_item)).content) > v_most then
            return chat.oversized('item.content', v_most, 'characters');
        end if;
    end if;
    return null;
end
$$;

comment on function chat.item_refusal is 'Null, or why a ChatKit item is refused.';
