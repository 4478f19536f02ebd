-- chat.reactions_json: the reactions to a message: [{"emoji", "count", "user_ids"}], in the order of
-- each emoji's first use.
create or replace function chat.reactions_json(p_conversation_id uuid, p_message_id uuid) returns jsonb
language sql stable
as $$
    select coalesce(
        jsonb_agg(jsonb_build_object('emoji', e.emoji, 'count', e.count, 'user_ids', e.user_ids) order by e.first_seq),
        '[]')
      from (select r.emoji, count(*), jsonb_agg(r.user_id order by r.seq) as user_ids, min(r.seq) as first_seq
              from chat.reactions r
             where r.conversation_id = p_conversation_id and r.message_id = p_message_id
             group by r.emoji) e
$$;

comment on function chat.reactions_json is 'The reactions to a message, grouped by emoji.';
