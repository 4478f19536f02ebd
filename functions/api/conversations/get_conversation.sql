-- api.get_conversation: one conversation as the actor sees it.
--
-- Returns  conversation, as in list_conversations; of the inbox as in list_threads.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.get_conversation(
    p_conversation_id uuid,
    p_actor_id        uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_reader record := chat.reader(p_conversation_id, p_actor_id);
begin
    if v_reader.refusal is not null then
        return v_reader.refusal;
    end if;
    if v_reader.kind = 'inbox' then
        return (select chat.ok(jsonb_build_object('conversation', j.thread))
                  from chat.conversations c
                  join chat.threads t on t.conversation_id = c.conversation_id
                 cross join lateral chat.thread_json(c, t) j (thread)
                 where c.conversation_id = v_reader.conversation_id);
    end if;
    return (select chat.ok(jsonb_build_object('conversation', j.listed))
              from chat.members m
              join chat.conversations c on c.conversation_id = m.conversation_id
             cross join lateral chat.listed_conversation(c, m) j (listed)
             where m.conversation_id = p_conversation_id and m.user_id = v_reader.user_id);
end
$$;

comment on function api.get_conversation is 'One conversation as the actor sees it.';
