-- chat.participant: the acting member of a conversation they are about to change, locked.
--
-- Takes    p_conversation_id, p_actor_id; p_user_ids: other members whose rows the change is about.
-- Returns  the actor's user_id, tenant_id, display_name and role, the conversation's row, whose member rows are
--          locked (nobody else counts as a member), or a refusal.
-- Locks    the member rows, by user id, then the conversation row. What is returned was read under them.
-- Fails    those of chat.actor and chat.outsider
create or replace function chat.participant(
    p_conversation_id uuid,
    p_actor_id        uuid,
    p_user_ids        uuid[] default '{}',
    out user_id       uuid,
    out tenant_id     uuid,
    out display_name  text,
    out role          text,
    out conversation  chat.conversations,
    out locked        uuid[],
    out refusal       jsonb
)
language plpgsql volatile
as $$
declare
    v_actor record;
begin
    locked := chat.lock_members(p_conversation_id, p_user_ids || coalesce(p_actor_id, chat.subject()));
    conversation := chat.lock_conversation(p_conversation_id);

    v_actor := chat.actor(p_actor_id);
    user_id := v_actor.user_id;
    tenant_id := v_actor.tenant_id;
    display_name := v_actor.display_name;
    refusal := v_actor.refusal;
    if refusal is not null then
        return;
    end if;

    select m.role into participant.role
      from chat.members m
     where m.conversation_id = p_conversation_id and m.user_id = v_actor.user_id and m.user_id = any (locked)
       and m.left_seq is null;
    if not found then
        refusal := chat.outsider(p_conversation_id, v_actor.tenant_id);
    end if;
end
$$;

comment on function chat.participant is 'The acting member and their conversation, locked, or a refusal.';
