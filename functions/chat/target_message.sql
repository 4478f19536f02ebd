-- chat.target_message: the message an edit, deletion or reaction is about, as a participant may see it.
--
-- Takes    p_participant's user_id and conversation, which is locked; p_message_id.
-- Returns  the row; all null when there is no such message, it is hidden from them, or lies before they joined.
create or replace function chat.target_message(
    p_conversation chat.conversations,
    p_user_id      uuid,
    p_message_id   uuid
) returns chat.messages
language sql volatile
as $$
    select t
      from chat.messages t
      join chat.members m on m.conversation_id = t.conversation_id and m.user_id = p_user_id
     where t.conversation_id = p_conversation.conversation_id and t.id = p_message_id
       and (p_conversation.history = 'all' or t.seq >= m.joined_seq)
       and not exists (select from chat.exclusions e
                        where e.conversation_id = t.conversation_id and e.user_id = p_user_id and e.seq = t.seq)
$$;

comment on function chat.target_message is 'The message a change is about, if the participant may see it.';
