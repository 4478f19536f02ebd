-- chat.assistant_violations: the part of api.check_invariants that is about what the assistant is told: whose a thread
-- is, and that what a ChatKit Store saved and what the log says are the same.
--
-- Returns  as api.check_invariants.
create or replace function chat.assistant_violations()
returns table (invariant text, conversation_id uuid, details jsonb)
language sql stable
as $$
    select 'assistant_conversations_have_a_thread', coalesce(c.conversation_id, t.conversation_id),
           jsonb_build_object('user_id', t.user_id)
      from (select * from chat.conversations k where k.kind = 'assistant') c
      full join chat.assistant_threads t on t.conversation_id = c.conversation_id and t.tenant_id = c.tenant_id
     where c.conversation_id is null or t.conversation_id is null or c.created_by <> t.user_id
    union all
    select 'assistant_threads_are_between_user_and_assistant', t.conversation_id,
           jsonb_build_object('user_id', t.user_id)
      from chat.assistant_threads t
     where (select array_agg((m.user_id, m.role)::text order by m.role, m.user_id)
              from chat.members m
             where m.conversation_id = t.conversation_id and m.joined_seq = 0 and m.left_seq is null)
           is distinct from array[(chat.assistant_id(t.tenant_id), 'member')::text, (t.user_id, 'owner')::text]
        or 2 <> (select count(*) from chat.members m where m.conversation_id = t.conversation_id)
    union all
    select 'threads_are_begun_in_ones_own_session', t.conversation_id, jsonb_build_object('session_id', t.session_id)
      from chat.assistant_threads t
      join chat.sessions s on s.session_id = t.session_id
     where s.user_id <> t.user_id
    union all
    select 'chatkit_ids_lead_to_their_thread', t.conversation_id, jsonb_build_object('thread_id', t.payload -> 'id')
      from chat.assistant_threads t
     where t.payload is not null
       and t.conversation_id is distinct from chat.chatkit_conversation_id(t.tenant_id, t.payload ->> 'id')
    union all
    select 'items_are_in_assistant_threads', i.conversation_id, jsonb_build_object('item_id', i.item_id)
      from chat.thread_items i
      left join chat.assistant_threads t on t.conversation_id = i.conversation_id
     where t.conversation_id is null
    union all
    select 'items_say_what_their_messages_say', i.conversation_id, jsonb_build_object('item_id', i.item_id)
      from chat.thread_items i
      join chat.assistant_threads t on t.conversation_id = i.conversation_id
      join chat.messages m on m.conversation_id = i.conversation_id and m.id = i.message_id
     cross join lateral chat.item_fields(i.payload) f
     where m.deleted_at is not null or i.payload ->> 'id' is distinct from i.item_id
        or m.type <> f.type or m.content is distinct from f.content or (m.sender_id = t.user_id) <> f.by_user
    union all
    select 'hidden_items_are_hidden_from_the_user', i.conversation_id, jsonb_build_object('item_id', i.item_id)
      from chat.thread_items i
      join chat.assistant_threads t on t.conversation_id = i.conversation_id
      join chat.messages m on m.conversation_id = i.conversation_id and m.id = i.message_id
     cross join lateral chat.item_fields(i.payload) f
     where f.is_hidden
       and not exists (select from chat.exclusions e
                        where e.conversation_id = m.conversation_id and e.user_id = t.user_id and e.seq = m.seq)
$$;

comment on function chat.assistant_violations is 'What must hold of threads with the assistant, where it does not.';
