-- chat.chatkit_thread_refusal: checks what needs no lock about a ChatKit thread to be kept.
--
-- Returns  null, or a refusal.
-- Fails    validation_error, too_large
create or replace function chat.chatkit_thread_refusal(p_thread_id text, p_thread jsonb) returns jsonb
language plpgsql volatile
as $$
declare
    v_limits  chat.limits := (select l from chat.limits l);
    v_refusal jsonb;
begin
    if p_thread is null then
        return chat.invalid('thread', 'is missing');
    end if;
    v_refusal := chat.object_refusal('thread', p_thread, v_limits.item_bytes);
    if v_refusal is not null then
        return v_refusal;
    end if;
    if p_thread ->> 'id' is distinct from p_thread_id then
        return chat.invalid('thread.id', 'must be thread_id');
    end if;
    if length(p_thread ->> 'title') > v_limits.title_characters then
        return chat.oversized('thread.title', v_limits.title_characters, 'characters');
    end if;
    return chat.metadata_refusal(nullif(p_thread -> 'metadata', 'null'));
end
$$;

comment on function chat.chatkit_thread_refusal is 'Null, or why a ChatKit thread is refused.';
