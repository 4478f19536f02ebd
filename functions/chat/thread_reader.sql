-- chat.thread_reader: chat.reader for inbox conversations, which may be named by a phone number.
--
-- Takes    p_thread: see chat.thread_id; p_actor_id.
-- Returns  user_id, tenant_id, conversation_id (another one where it was merged), last_seq, visible_from, or a refusal.
-- Fails    those of chat.reader; not_found also for a conversation of another kind
create or replace function chat.thread_reader(
    p_thread            text,
    p_actor_id          uuid,
    out user_id         uuid,
    out tenant_id       uuid,
    out conversation_id uuid,
    out last_seq        bigint,
    out visible_from    bigint,
    out refusal         jsonb
)
language plpgsql stable
as $$
declare
    v_actor  record;
    v_reader record;
    v_id     uuid;
begin
    if coalesce(p_thread, '') = '' then
        refusal := chat.invalid('thread', 'is missing');
        return;
    end if;
    v_actor := chat.actor(p_actor_id);
    refusal := v_actor.refusal;
    if refusal is not null then
        return;
    end if;

    v_id := chat.thread_id(v_actor.tenant_id, p_thread);
    if v_id is not null then
        v_reader := chat.reader(v_id, p_actor_id);
        refusal := v_reader.refusal;
    end if;
    if refusal is null and (v_id is null or v_reader.kind <> 'inbox') then
        refusal := chat.fail('not_found', 'there is no such thread');
    end if;
    if refusal is null then
        user_id := v_reader.user_id;
        tenant_id := v_reader.tenant_id;
        conversation_id := v_reader.conversation_id;
        last_seq := v_reader.last_seq;
        visible_from := v_reader.visible_from;
    end if;
end
$$;

comment on function chat.thread_reader is 'Who reads which thread, named by id or phone number; or a refusal.';
