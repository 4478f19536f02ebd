-- chat.event_targets: the conversations of the messages an event is about: what it changes, what it answers, what of
-- ours a status calls back.
--
-- Takes    p_event: with its "provider".
create or replace function chat.event_targets(p_event jsonb) returns setof uuid
language sql stable
as $$
    select p.conversation_id
      from chat.channels c
      join chat.provider_messages p on p.channel_id = c.channel_id
     where c.provider = p_event ->> 'provider' and c.address = p_event ->> 'address'
       and p.provider_message_id in (p_event ->> 'target', p_event ->> 'reply_to')
     union
    select chat.resolved_conversation(split_part(p_event ->> 'callback', '/', 1)::uuid)
     where chat.is_uuid(split_part(p_event ->> 'callback', '/', 1))
$$;

comment on function chat.event_targets is 'The conversations of the messages an event is about.';
