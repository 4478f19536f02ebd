-- api.message_status: the state of every message for every member who was to get it: sent, delivered or
-- read, derived from the members' watermarks. Members have a row for what was sent from their joining to
-- their leaving, not for what is hidden from them nor for their own messages. Of the inbox there is chat.deliveries.
create or replace view api.message_status (conversation_id, seq, message_id, user_id, status, delivered_at, read_at) as
select t.conversation_id, t.seq, t.id, m.user_id,
       case when t.seq <= m.read_seq then 'read' when t.seq <= m.delivered_seq then 'delivered' else 'sent' end,
       case when t.seq <= m.delivered_seq then (
           select min(r.created_at)
             from (select f.created_at
                     from (values ('delivered'), ('read')) k (kind)
                    cross join lateral (
                        select x.created_at
                          from chat.receipts x
                         where x.conversation_id = t.conversation_id and x.user_id = m.user_id
                           and x.kind = k.kind and x.seq >= t.seq
                         order by x.seq
                         limit 1) f) r) end,
       case when t.seq <= m.read_seq then (
           select x.created_at
             from chat.receipts x
            where x.conversation_id = t.conversation_id and x.user_id = m.user_id
              and x.kind = 'read' and x.seq >= t.seq
            order by x.seq
            limit 1) end
  from chat.messages t
  join chat.members m
    on m.conversation_id = t.conversation_id and m.user_id is distinct from t.sender_id
   and m.role in ('owner', 'admin', 'member') and m.joined_seq < t.seq and (m.left_seq is null or m.left_seq > t.seq)
 where not exists (select from chat.exclusions e
                    where e.conversation_id = t.conversation_id and e.user_id = m.user_id and e.seq = t.seq);

comment on view api.message_status is
    'sent | delivered | read for every message and member, derived from watermarks; for operators.';
comment on column api.message_status.conversation_id is 'The conversation.';
comment on column api.message_status.seq is 'The message''s log number.';
comment on column api.message_status.message_id is 'The message.';
comment on column api.message_status.user_id is 'The member.';
comment on column api.message_status.status is 'sent | delivered | read.';
comment on column api.message_status.delivered_at is 'When it reached a device of the member.';
comment on column api.message_status.read_at is 'When the member read it.';
