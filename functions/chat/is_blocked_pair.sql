-- chat.is_blocked_pair: whether a conversation of two (direct, help) holds a pair where one blocked the other.
create or replace function chat.is_blocked_pair(p_conversation_id uuid, p_user_id uuid) returns boolean
language sql volatile
as $$
    select exists (
        select
          from chat.conversations c
          join chat.members m on m.conversation_id = c.conversation_id and m.user_id <> p_user_id
          join chat.blocks b on (b.blocker_id, b.blocked_id) in ((m.user_id, p_user_id), (p_user_id, m.user_id))
         where c.conversation_id = p_conversation_id and c.kind in ('direct', 'help'))
$$;

comment on function chat.is_blocked_pair is
    'Whether this is a conversation of two people one of whom has blocked the other.';
