-- api.search_messages: find messages by their words, in one conversation or all of one's own; for agents that of
-- the inbox, too.
--
-- Takes    p_query: words; "quoted phrases", or, -not as in web searches (websearch_to_tsquery);
--          p_conversation_id: null for all; p_limit: 1 to 100.
-- Returns  messages, newest first, each as in list_messages. Only what the actor may see now.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member, too_large
create or replace function api.search_messages(
    p_actor_id        uuid default null,
    p_query           text default null,
    p_conversation_id uuid default null,
    p_limit           integer default 20
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal  jsonb := chat.page_refusal(p_limit);
    v_actor    record;
    v_reader   record;
    v_is_agent boolean;
    v_id       uuid;
    v_query    tsquery;
    v_messages jsonb;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    if coalesce(p_query, '') !~ '\S' then
        return chat.invalid('query', 'is empty');
    end if;
    v_refusal := chat.text_refusal('query', p_query, (select l.query_characters from chat.limits l));
    if v_refusal is not null then
        return v_refusal;
    end if;
    v_actor := chat.actor(p_actor_id);
    if v_actor.refusal is not null then
        return v_actor.refusal;
    end if;
    if p_conversation_id is not null then
        v_reader := chat.reader(p_conversation_id, p_actor_id);
        if v_reader.refusal is not null then
            return v_reader.refusal;
        end if;
        v_id := v_reader.conversation_id;
    end if;
    v_is_agent := exists (select from chat.users u where u.user_id = v_actor.user_id and chat.is_agent(u));

    v_query := websearch_to_tsquery('simple', p_query);
    select coalesce(jsonb_agg(chat.message_json(f.m, f.display_name)
                              order by (f.m).created_at desc, (f.m).seq desc), '[]')
      into v_messages
      from (select o.m, o.display_name
              from ((select t as m, u.display_name
                       from chat.messages t
                       join chat.members m on m.conversation_id = t.conversation_id
                                          and m.user_id = v_actor.user_id and m.left_seq is null
                       join chat.conversations c on c.conversation_id = t.conversation_id and c.kind <> 'inbox'
                       join chat.users u on u.user_id = t.sender_id
                      where to_tsvector('simple', t.content) @@ v_query and t.content is not null
                        and t.source <> 'system'
                        and (v_id is null or t.conversation_id = v_id)
                        and (c.history = 'all' or t.seq >= m.joined_seq)
                        and not exists (select from chat.exclusions e
                                         where e.conversation_id = t.conversation_id
                                           and e.user_id = m.user_id and e.seq = t.seq)
                      order by t.created_at desc, t.seq desc
                      limit p_limit)
                    union all
                    (select t, u.display_name
                       from chat.messages t
                       join chat.conversations c on c.conversation_id = t.conversation_id and c.kind = 'inbox'
                       join chat.users u on u.user_id = t.sender_id
                      where v_is_agent and c.tenant_id = v_actor.tenant_id
                        and to_tsvector('simple', t.content) @@ v_query and t.content is not null
                        and t.source <> 'system'
                        and (v_id is null or t.conversation_id = v_id)
                      order by t.created_at desc, t.seq desc
                      limit p_limit)) o
             order by (o.m).created_at desc, (o.m).seq desc
             limit p_limit) f;
    return chat.ok(jsonb_build_object('messages', v_messages));
end
$$;

comment on function api.search_messages is 'Find messages by their words, newest first.';
