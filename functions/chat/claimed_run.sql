-- chat.claimed_run: all a responder needs to answer.
--
-- Takes    p_run: the row, as it was claimed.
-- Returns  the data of what api.claim_run returns.
-- Rule     In an assistant thread the question is the last message told: what came after it is not what is asked. In an
--          inbox the answer is to all that the contact has said by now.
-- Cost     plpgsql, as it keeps the plan: planning takes as long as reading.
create or replace function chat.claimed_run(p_run chat.runs) returns jsonb
language plpgsql stable
as $$
begin
    return (
        select chat.run_json(p_run) || jsonb_build_object(
                   'lease', p_run.lease,
                   'configuration', p_run.configuration,
                   'lease_seconds', extract(epoch from p_run.lease_for),
                   'timeout_seconds', extract(epoch from l.run_timeout),
                   'thread', jsonb_build_object('id', c.conversation_id, 'kind', c.kind, 'title', c.title,
                                                'metadata', c.metadata),
                   'user', jsonb_build_object('id', u.user_id, 'display_name', u.display_name,
                                              'external_id', u.external_id),
                   'messages', (
                       select coalesce(jsonb_agg(jsonb_build_object(
                                  'id', h.id,
                                  'role', case when h.sender_id = u.user_id then 'user' else 'assistant' end,
                                  'type', h.type,
                                  'source', h.source,
                                  'content', h.content,
                                  'metadata', h.metadata,
                                  'created_at', h.created_at,
                                  'sender_name', s.display_name) order by h.seq), '[]')
                         from (select m.*
                                 from chat.messages m
                                where m.conversation_id = p_run.conversation_id
                                  and m.seq <= case c.kind when 'inbox' then p_run.input_seq else q.seq end
                                  and m.type <> 'system' and m.deleted_at is null
                                  and not exists (select from chat.exclusions e
                                                   where e.conversation_id = m.conversation_id
                                                     and e.user_id = u.user_id and e.seq = m.seq)
                                order by m.seq desc
                                limit l.run_history) h
                         join chat.users s on s.user_id = h.sender_id))
          from chat.limits l
          join chat.conversations c on c.conversation_id = p_run.conversation_id
          join chat.messages q on q.conversation_id = c.conversation_id and q.id = p_run.message_id
          left join chat.assistant_threads a on a.conversation_id = c.conversation_id
          left join chat.threads t on t.conversation_id = c.conversation_id
          join chat.users u on u.user_id = coalesce(a.user_id, t.contact_id));
end
$$;

comment on function chat.claimed_run is 'All a responder needs to answer.';
