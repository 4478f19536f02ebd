-- chat.known_message: the message that a provider knows by an id, in whichever conversation it is now.
--
-- Takes    p_channel_id, p_provider_message_id.
-- Returns  the row; all null when none has come, or it is purged.
create or replace function chat.known_message(p_channel_id uuid, p_provider_message_id text) returns chat.messages
language sql volatile
as $$
    select m
      from chat.provider_messages p
      join chat.messages m on m.conversation_id = p.conversation_id and m.id = p.message_id
     where p.channel_id = p_channel_id and p.provider_message_id = p_provider_message_id
$$;

comment on function chat.known_message is 'The message that a provider knows by an id.';
