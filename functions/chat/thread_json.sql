-- chat.thread_json: an inbox conversation as its desk sees it: with contact, channel, assignee_id, read_seq and
-- unread_count of the desk, last_message, and window_open_until: until when anything may be answered ("infinity" where
-- the channel has no window; null when the contact has not written yet); responder_id: the bot that answers there, as
-- long as taken_over_at is null.
--
-- Returns  one row; a set for the same reason as chat.listed_conversation.
create or replace function chat.thread_json(p_conversation chat.conversations, p_thread chat.threads)
returns setof jsonb
language sql stable
as $$
    select chat.conversation_json(p_conversation) || jsonb_build_object(
        'contact', (select chat.contact_json(u) from chat.users u where u.user_id = p_thread.contact_id),
        'channel', jsonb_build_object('channel_id', h.channel_id, 'provider', h.provider,
                                      'display_name', h.display_name),
        'assignee_id', p_thread.assignee_id,
        'responder_id', h.responder_id,
        'taken_over_at', p_thread.taken_over_at,
        'window_open_until', chat.window_closes_at(p_thread),
        'read_seq', p_thread.read_seq,
        'unread_count', (select n.unread from chat.thread_unread(p_conversation, p_thread) n (unread)),
        'last_activity_at', p_thread.last_activity_at,
        'last_message', (
            select chat.message_json(m, u.display_name)
              from chat.messages m
              left join chat.users u on u.user_id = m.sender_id
             where m.conversation_id = p_thread.conversation_id
             order by m.seq desc
             limit 1))
      from chat.channels h
     where h.channel_id = p_thread.channel_id
$$;

comment on function chat.thread_json is 'An inbox conversation as its desk sees it.';
