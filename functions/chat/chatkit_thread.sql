-- chat.chatkit_thread: a ChatKit thread as its Store finds it: by ChatKit's id, for the user it works for.
--
-- Takes    p_thread_id: any text; p_actor_id: the user; p_locked: hold the thread.
-- Returns  the user's user_id, tenant_id, display_name and kind; the thread's and its conversation's row, all null when
--          the user has no such thread; or a refusal.
-- Locks    nothing; or both members' rows, then the conversation row: what is returned was read under them.
-- Rule     The Store is the server's side: services only.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, too_large
create or replace function chat.chatkit_thread(
    p_thread_id      text,
    p_actor_id       uuid,
    p_locked         boolean default false,
    out user_id      uuid,
    out tenant_id    uuid,
    out display_name text,
    out kind         text,
    out thread       chat.assistant_threads,
    out conversation chat.conversations,
    out refusal      jsonb
)
language plpgsql volatile
as $$
declare
    v_actor    record;
    v_id       uuid;
    v_is_there boolean := true;
begin
    refusal := coalesce(
        chat.service_refusal(),
        case when p_thread_id is null then chat.invalid('thread_id', 'is missing') end,
        chat.text_refusal('thread_id', p_thread_id, (select l.key_characters from chat.limits l)));
    if refusal is not null then
        return;
    end if;
    if p_locked then
        select chat.lock_assistant_thread(chat.chatkit_conversation_id(u.tenant_id, p_thread_id)) into v_is_there
          from chat.users u
         where u.user_id = p_actor_id;
    end if;
    v_actor := chat.actor(p_actor_id);
    refusal := v_actor.refusal;
    if refusal is not null then
        return;
    end if;
    user_id := v_actor.user_id;
    tenant_id := v_actor.tenant_id;
    display_name := v_actor.display_name;
    kind := v_actor.kind;
    v_id := chat.chatkit_conversation_id(tenant_id, p_thread_id);
    select t.* into thread
      from chat.assistant_threads t
     where t.conversation_id = v_id and t.user_id = v_actor.user_id and v_is_there;
    conversation := (select c from chat.conversations c where c.conversation_id = thread.conversation_id);
end
$$;

comment on function chat.chatkit_thread is 'A ChatKit thread as its Store finds it, or a refusal.';
