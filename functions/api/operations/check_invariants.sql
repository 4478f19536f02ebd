-- api.check_invariants: everything that must always hold, checked on the data as it is.
--
-- Returns  one row per violation, none when healthy: invariant (its name), conversation_id (null where it is
--          not about one), details. Safe on a live system: one snapshot, no locks; reads every row.
create or replace function api.check_invariants()
returns table (invariant text, conversation_id uuid, details jsonb)
language sql stable
security definer set search_path = pg_catalog, pg_temp
as $$
    with log as (
        select m.conversation_id, m.seq from chat.messages m
        union all
        select ch.conversation_id, ch.seq from chat.changes ch
    )
    -- The log: numbers purged_seq + 1 .. last_seq are each used exactly once.
    select 'log_is_gapless', c.conversation_id,
           jsonb_build_object('last_seq', c.last_seq, 'purged_seq', c.purged_seq, 'entries', l.entries,
                              'distinct', l.numbers, 'first', l.first, 'last', l.last)
      from chat.conversations c
      left join (select log.conversation_id, count(*) as entries, count(distinct log.seq) as numbers,
                        min(log.seq) as first, max(log.seq) as last
                   from log group by log.conversation_id) l on l.conversation_id = c.conversation_id
     where coalesce(l.entries, 0) <> c.last_seq - c.purged_seq
        or l.numbers <> l.entries or l.first <> c.purged_seq + 1 or l.last <> c.last_seq
    union all
    select 'messages_are_in_time_order', t.conversation_id, jsonb_build_object('seq', t.seq)
      from (select m.conversation_id, m.seq, m.created_at,
                   lag(m.created_at) over (partition by m.conversation_id order by m.seq) as previous
              from chat.messages m) t
     where t.created_at < t.previous
    union all
    select 'ordinals_count_messages', t.conversation_id, jsonb_build_object('seq', t.seq, 'ordinal', t.ordinal)
      from (select m.conversation_id, m.seq, m.ordinal,
                   c.purged_count + count(*) filter (where m.source = 'contact'
                                                        or m.source <> 'system' and c.kind <> 'inbox')
                       over (partition by m.conversation_id order by m.seq) as expected
              from chat.messages m
              join chat.conversations c on c.conversation_id = m.conversation_id) t
     where t.ordinal <> t.expected
    union all
    select 'message_count_is_the_last_ordinal', c.conversation_id, jsonb_build_object('message_count', c.message_count)
      from chat.conversations c
     where c.message_count <> coalesce((select max(m.ordinal) from chat.messages m
                                         where m.conversation_id = c.conversation_id), c.purged_count)
    -- Watermarks lie within the log, and count what they say.
    union all
    select 'watermarks_are_within_the_log', m.conversation_id,
           jsonb_build_object('user_id', m.user_id, 'read_seq', m.read_seq, 'delivered_seq', m.delivered_seq)
      from chat.members m
      join chat.conversations c on c.conversation_id = m.conversation_id
     where m.delivered_seq > c.last_seq or m.joined_seq > c.last_seq or m.left_seq > c.last_seq
    union all
    select 'sent_counts_count_messages', m.conversation_id, jsonb_build_object('user_id', m.user_id)
      from chat.members m
      join chat.conversations c on c.conversation_id = m.conversation_id
      left join lateral (select count(*) as sent, count(*) filter (where t.seq <= m.read_seq) as read
                           from chat.messages t
                          where t.conversation_id = m.conversation_id and t.sender_id = m.user_id
                            and c.kind <> 'inbox') s on true
     where m.left_seq is null
       and (m.sent_count - m.sent_count_at_read <> s.sent - s.read
            or c.purged_seq = 0 and m.sent_count <> s.sent)
    union all
    select 'unread_counts_are_exact', m.conversation_id,
           jsonb_build_object('user_id', m.user_id, 'counted', u.counted, 'unread_count', u.derived)
      from chat.members m
      join chat.conversations c on c.conversation_id = m.conversation_id and c.kind <> 'inbox'
     cross join lateral (
            select count(*) as counted, chat.unread_count(c, m) as derived
              from chat.messages t
             where t.conversation_id = m.conversation_id and t.seq > greatest(m.read_seq, m.joined_seq)
               and t.source <> 'system' and t.deleted_at is null and t.sender_id <> m.user_id
               and not exists (select from chat.exclusions e
                                where e.conversation_id = t.conversation_id
                                  and e.user_id = m.user_id and e.seq = t.seq)) u
     where m.left_seq is null and u.counted <> u.derived
    -- Members: who sends was one; who is one was told of; counts are right.
    union all
    select 'senders_were_members', t.conversation_id, jsonb_build_object('seq', t.seq, 'sender_id', t.sender_id)
      from chat.messages t
      left join chat.members m on m.conversation_id = t.conversation_id and m.user_id = t.sender_id
     where t.sender_id is not null and (m.user_id is null or t.seq > m.left_seq)
    union all
    select 'member_count_is_exact', c.conversation_id, jsonb_build_object('member_count', c.member_count)
      from chat.conversations c
     where c.member_count <> (select count(*) from chat.members m
                               where m.conversation_id = c.conversation_id and m.left_seq is null)
    union all
    select 'two_people_conversations_have_two_members', c.conversation_id, jsonb_build_object('kind', c.kind)
      from chat.conversations c
     where c.kind in ('direct', 'help')
       and 2 <> (select count(*) from chat.members m where m.conversation_id = c.conversation_id and m.left_seq is null)
    union all
    select 'help_is_between_owner_and_helper', c.conversation_id,
           jsonb_build_object('help_request_id', c.help_request_id)
      from chat.conversations c
      join chat.help_requests h on h.help_request_id = c.help_request_id
     where c.kind = 'help'
       and (c.created_by = h.owner_id
            or not exists (select from chat.members m
                            where m.conversation_id = c.conversation_id and m.user_id = h.owner_id)
            or not exists (select from chat.members m
                            where m.conversation_id = c.conversation_id and m.user_id = c.created_by))
    union all
    select 'groups_have_an_owner', c.conversation_id, jsonb_build_object('member_count', c.member_count)
      from chat.conversations c
     where c.kind = 'group' and c.member_count > 0
       and not exists (select from chat.members m
                        where m.conversation_id = c.conversation_id and m.role = 'owner' and m.left_seq is null)
    union all
    select 'deactivated_users_are_in_no_group', m.conversation_id, jsonb_build_object('user_id', m.user_id)
      from chat.members m
      join chat.conversations c on c.conversation_id = m.conversation_id and c.kind = 'group'
      join chat.users u on u.user_id = m.user_id
     where m.left_seq is null and u.deactivated_at is not null
    union all
    select 'joining_has_its_system_message', m.conversation_id,
           jsonb_build_object('user_id', m.user_id, 'joined_seq', m.joined_seq)
      from chat.members m
      join chat.conversations c on c.conversation_id = m.conversation_id
     where m.joined_seq > c.purged_seq
       and not exists (select from chat.messages t
                        where t.conversation_id = m.conversation_id and t.seq = m.joined_seq and t.source = 'system'
                          and t.metadata ->> 'event' = 'member_added' and t.metadata -> 'user_ids' ? m.user_id::text)
    union all
    select 'leaving_has_its_system_message', m.conversation_id,
           jsonb_build_object('user_id', m.user_id, 'left_seq', m.left_seq)
      from chat.members m
      join chat.conversations c on c.conversation_id = m.conversation_id
     where m.left_seq > c.purged_seq
       and not exists (select from chat.messages t
                        where t.conversation_id = m.conversation_id and t.seq = m.left_seq and t.source = 'system'
                          and t.metadata ->> 'event' in ('member_removed', 'member_left')
                          and t.metadata -> 'user_ids' ? m.user_id::text)
    union all
    select 'system_messages_tell_of_a_change', t.conversation_id,
           jsonb_build_object('seq', t.seq, 'metadata', t.metadata)
      from chat.messages t
     where t.source = 'system'
       and coalesce(t.metadata ->> 'event', '') not in (
               'member_added', 'member_removed', 'member_left', 'role_changed',
               'contact_number_changed', 'contact_identity_changed', 'contacts_merged')
    union all
    select 'additions_add_each_once', t.conversation_id, jsonb_build_object('user_id', t.user_id, 'seq', t.seq)
      from (select t.conversation_id, t.seq, w.user_id, t.metadata ->> 'event' as event,
                   lag(t.metadata ->> 'event')
                       over (partition by t.conversation_id, w.user_id order by t.seq) as previous
              from chat.messages t
             cross join lateral jsonb_array_elements_text(t.metadata -> 'user_ids') w (user_id)
             where t.source = 'system' and t.metadata ->> 'event' <> 'role_changed') t
     where t.event = 'member_added' and t.previous = 'member_added'
        or t.event <> 'member_added' and t.previous <> 'member_added'
    -- Keys and ids.
    union all
    select 'ids_derive_from_canonical_keys', c.conversation_id, jsonb_build_object('canonical_key', c.canonical_key)
      from chat.conversations c
     where c.canonical_key is not null and c.kind <> 'inbox'
       and c.conversation_id <> chat.derived_id(c.tenant_id, c.canonical_key)
    union all
    select 'canonical_keys_say_who', c.conversation_id, jsonb_build_object('canonical_key', c.canonical_key)
      from chat.conversations c
     where c.kind = 'direct' and c.canonical_key <> (
               select format('direct:%s:%s', min(m.user_id::text), max(m.user_id::text))
                 from chat.members m where m.conversation_id = c.conversation_id)
        or c.kind = 'help' and c.canonical_key <> format('help:%s:%s', c.help_request_id, c.created_by)
    union all
    select 'one_message_per_client_key', t.conversation_id,
           jsonb_build_object('sender_id', t.sender_id, 'client_message_id', t.client_message_id)
      from chat.messages t
     where t.client_message_id is not null
     group by t.conversation_id, t.sender_id, t.client_message_id
    having count(*) > 1
    -- What hangs on messages.
    union all
    select 'reaction_counts_are_exact', t.conversation_id, jsonb_build_object('seq', t.seq)
      from chat.messages t
      left join (select r.conversation_id, r.message_id, count(*) from chat.reactions r group by 1, 2) r
             on r.conversation_id = t.conversation_id and r.message_id = t.id
     where t.reaction_count <> coalesce(r.count, 0)
    union all
    select 'replies_stay_in_their_conversation', t.conversation_id, jsonb_build_object('seq', t.seq)
      from chat.messages t
      left join chat.messages r on r.conversation_id = t.conversation_id and r.id = t.reply_to_id
      left join chat.threads i on i.conversation_id = t.conversation_id
     -- A network may bring an answer before what it answers.
     where t.reply_to_id is not null and (r.id is null or r.seq >= t.seq and i.conversation_id is null)
    union all
    select 'deleted_messages_have_their_change', t.conversation_id, jsonb_build_object('seq', t.seq)
      from chat.messages t
     where t.deleted_at is not null
       and 1 <> (select count(*) from chat.changes ch
                  where ch.conversation_id = t.conversation_id and ch.message_id = t.id and ch.kind = 'message_deleted')
    union all
    select 'exclusions_are_for_others', e.conversation_id, jsonb_build_object('seq', e.seq, 'user_id', e.user_id)
      from chat.exclusions e
      join chat.messages t on t.conversation_id = e.conversation_id and t.seq = e.seq
     where t.sender_id is null or t.sender_id = e.user_id
    -- Tenants.
    union all
    select 'nothing_belongs_to_two_tenants', m.conversation_id, jsonb_build_object('user_id', m.user_id)
      from chat.members m
      join chat.conversations c on c.conversation_id = m.conversation_id
      join chat.users u on u.user_id = m.user_id
     where m.tenant_id <> c.tenant_id or m.tenant_id <> u.tenant_id
    union all
    select 'blocks_stay_in_a_tenant', null, jsonb_build_object('blocker_id', b.blocker_id, 'blocked_id', b.blocked_id)
      from chat.blocks b
      join chat.users r on r.user_id = b.blocker_id
      join chat.users d on d.user_id = b.blocked_id
     where r.tenant_id <> d.tenant_id
    union all
    select v.invariant, v.conversation_id, v.details from chat.inbox_violations() v
    union all
    select v.invariant, v.conversation_id, v.details from chat.assistant_violations() v
    union all
    select v.invariant, v.conversation_id, v.details from chat.run_violations() v
$$;

comment on function api.check_invariants is
    'Everything that must always hold: one row per violation, none when healthy.';
