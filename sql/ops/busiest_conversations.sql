-- Where the writes go: the conversations with the most log entries in the last hour, with their members.
select c.conversation_id, c.kind, c.title, c.member_count, c.last_seq, count(*) as messages_last_hour
  from chat.messages m
  join chat.conversations c on c.conversation_id = m.conversation_id
 where m.created_at > now() - interval '1 hour'
 group by c.conversation_id
 order by messages_last_hour desc
 limit 20;
