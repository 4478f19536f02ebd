-- chat.lock_pair: holds two users and their conversations of two, so that a block between them takes effect
-- at one moment: what is being opened or sent there comes before it, or is refused.
--
-- Locks    both user rows, by id, then both member rows in their direct and help conversations, by
--          conversation and user.
create or replace function chat.lock_pair(p_one uuid, p_other uuid) returns void
language plpgsql volatile
as $$
begin
    perform from chat.users u where u.user_id in (p_one, p_other) order by u.user_id for no key update;
    perform from chat.members m
      where m.user_id in (p_one, p_other) and m.left_seq is null
        and m.conversation_id in (
                select a.conversation_id
                  from chat.members a
                  join chat.members b on b.conversation_id = a.conversation_id and b.user_id = p_other
                  join chat.conversations c on c.conversation_id = a.conversation_id and c.kind in ('direct', 'help')
                 where a.user_id = p_one and a.left_seq is null)
      order by m.conversation_id, m.user_id
        for no key update;
end
$$;

comment on function chat.lock_pair is 'Hold two users and their conversations of two.';
