-- chat.participant: the acting member of a conversation they are about to change, locked.
--
-- Takes    p_conversation_id, p_actor_id; p_user_ids: other members whose rows the change is about.
-- Returns  the actor's user_id, tenant_id, display_name and role, the conversation's row (another one where it was
--          merged), whose member rows are locked (nobody else counts as a member), or a refusal.
-- Locks    the member rows, by user id, then the conversation row. What is returned was read under them.
-- Rule     An inbox is changed by its desk, whoever is a member: their role is agent.
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
    conversation := chat.lock_inbox(p_conversation_id);

    v_actor := chat.actor(p_actor_id);
    user_id := v_actor.user_id;
    tenant_id := v_actor.tenant_id;
    display_name := v_actor.display_name;
    refusal := v_actor.refusal;
    if refusal is not null then
        return;
    end if;

    if conversation.kind = 'inbox' then
        if (chat.desk_conversation(conversation.conversation_id, v_actor.user_id)).conversation_id is not null then
            role := 'agent';
        end if;
    else
        select m.role into participant.role
          from chat.members m
         where m.conversation_id = p_conversation_id and m.user_id = v_actor.user_id and m.user_id = any (locked)
           and m.left_seq is null;
    end if;
    if role is null then
        refusal := chat.outsider(p_conversation_id, v_actor.tenant_id);
    end if;
end
$$;

comment on function chat.participant is
    'The acting member, or agent of the desk, and their conversation, locked; or a refusal.';
