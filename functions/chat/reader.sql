-- chat.reader: who reads a conversation and how far back they may see. For reads, which take no lock.
--
-- Takes    p_conversation_id, p_actor_id.
-- Returns  user_id, tenant_id, the conversation's id (another one where it was merged), kind and last_seq,
--          visible_from (the first log number the reader may see: later than what was purged, and than joining
--          where history is joined), or a refusal.
-- Rule     An inbox is read by its desk, whoever is a member.
-- Fails    those of chat.actor and chat.outsider
create or replace function chat.reader(
    p_conversation_id   uuid,
    p_actor_id          uuid,
    out user_id         uuid,
    out tenant_id       uuid,
    out conversation_id uuid,
    out kind            text,
    out last_seq        bigint,
    out visible_from    bigint,
    out refusal         jsonb
)
language plpgsql stable
as $$
declare
    v_actor record;
begin
    v_actor := chat.actor(p_actor_id);
    user_id := v_actor.user_id;
    tenant_id := v_actor.tenant_id;
    refusal := v_actor.refusal;
    if refusal is not null then
        return;
    end if;

    select c.conversation_id, c.kind, c.last_seq,
           greatest(c.purged_seq + 1, case c.history when 'joined' then m.joined_seq end)
      into reader.conversation_id, reader.kind, reader.last_seq, reader.visible_from
      from chat.members m
      join chat.conversations c on c.conversation_id = m.conversation_id
     where m.conversation_id = p_conversation_id and m.user_id = v_actor.user_id and m.left_seq is null;
    if found and reader.kind <> 'inbox' then
        return;
    end if;

    select c.conversation_id, c.kind, c.last_seq, c.purged_seq + 1
      into reader.conversation_id, reader.kind, reader.last_seq, reader.visible_from
      from chat.desk_conversation(p_conversation_id, v_actor.user_id) c;
    if reader.conversation_id is null then
        refusal := chat.outsider(p_conversation_id, v_actor.tenant_id);
    end if;
end
$$;

comment on function chat.reader is 'The reading member, or agent of the desk, and what they may see; or a refusal.';
