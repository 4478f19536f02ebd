-- chat.assistant_thread: an assistant thread and who looks at it. For reads, which take no lock, and for changes once
-- theirs are taken.
--
-- Takes    p_actor_id: null for a service that acts for nobody: it sees what the thread's user sees.
-- Returns  user_id (whose eyes these are), the thread's and its conversation's row, or a refusal.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function chat.assistant_thread(
    p_conversation_id uuid,
    p_actor_id        uuid,
    out user_id       uuid,
    out thread        chat.assistant_threads,
    out conversation  chat.conversations,
    out refusal       jsonb
)
language plpgsql volatile
as $$
declare
    v_actor     record;
    v_tenant_id uuid;
begin
    if p_actor_id is not null or not chat.is_service() then
        v_actor := chat.actor(p_actor_id);
        refusal := v_actor.refusal;
        if refusal is not null then
            return;
        end if;
        user_id := v_actor.user_id;
        v_tenant_id := v_actor.tenant_id;
    end if;
    if p_conversation_id is null then
        refusal := chat.invalid('conversation_id', 'is missing');
        return;
    end if;
    select t.* into thread
      from chat.assistant_threads t
     where t.conversation_id = p_conversation_id and t.tenant_id = coalesce(v_tenant_id, t.tenant_id);
    if not found then
        refusal := chat.fail('not_found', 'there is no such assistant thread');
        return;
    end if;
    user_id := coalesce(user_id, thread.user_id);
    perform from chat.members m
      where m.conversation_id = p_conversation_id and m.user_id = assistant_thread.user_id and m.left_seq is null;
    if not found then
        refusal := chat.fail('not_a_member');
        return;
    end if;
    conversation := (select c from chat.conversations c where c.conversation_id = p_conversation_id);
end
$$;

comment on function chat.assistant_thread is 'An assistant thread and who looks at it, or a refusal.';
