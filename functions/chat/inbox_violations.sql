-- chat.inbox_violations: the part of api.check_invariants that is about the inbox: each of its conversations is a
-- contact's, who is found by what leads to them, and what the business says there goes out.
--
-- Returns  as api.check_invariants.
create or replace function chat.inbox_violations()
returns table (invariant text, conversation_id uuid, details jsonb)
language sql stable
as $$
    -- A contact has one thread, and a thread its contact.
    select 'inbox_conversations_have_a_thread', coalesce(c.conversation_id, t.conversation_id),
           jsonb_build_object('contact_id', t.contact_id)
      from (select * from chat.conversations k where k.kind = 'inbox') c
      full join chat.threads t on t.conversation_id = c.conversation_id and t.tenant_id = c.tenant_id
      left join chat.members m on m.conversation_id = t.conversation_id and m.user_id = t.contact_id
     where c.conversation_id is null or t.conversation_id is null
        or m.role is distinct from 'contact' or m.left_seq is not null
    union all
    select 'ids_derive_from_contacts', t.conversation_id, jsonb_build_object('contact_id', t.contact_id)
      from chat.threads t
     where t.conversation_id <> chat.derived_id(t.tenant_id, 'contact:' || t.contact_id)
    union all
    select 'keys_say_what_leads_to_a_contact', c.conversation_id, jsonb_build_object('canonical_key', c.canonical_key)
      from chat.conversations c
      join chat.threads t on t.conversation_id = c.conversation_id
     where c.canonical_key <> chat.contact_key(t.tenant_id, t.contact_id)
    union all
    select 'members_of_an_inbox_are_its_contact_and_agents', m.conversation_id,
           jsonb_build_object('user_id', m.user_id, 'role', m.role)
      from chat.members m
      join chat.conversations c on c.conversation_id = m.conversation_id
      left join chat.threads t on t.conversation_id = m.conversation_id
     where (c.kind = 'inbox') <> (m.role in ('contact', 'agent'))
        or m.role = 'contact' and m.user_id is distinct from t.contact_id
        or c.kind = 'inbox' and (m.joined_seq <> 0 or m.left_seq is not null)
    union all
    select 'nobody_has_a_mark_of_their_own_in_an_inbox', m.conversation_id, jsonb_build_object('user_id', m.user_id)
      from chat.members m
      join chat.threads t on t.conversation_id = m.conversation_id
     where m.sent_count <> 0 or m.read_seq <> 0 or m.delivered_seq <> 0
    union all
    select 'sources_say_who_sent', t.conversation_id, jsonb_build_object('seq', t.seq, 'source', t.source)
      from chat.messages t
      join chat.threads h on h.conversation_id = t.conversation_id
     where (t.source = 'contact') <> coalesce(t.sender_id = h.contact_id, false)
    -- What the desk has read, and what not.
    union all
    select 'marks_of_the_desk_are_within_the_log', t.conversation_id, jsonb_build_object('read_seq', t.read_seq)
      from chat.threads t
      join chat.conversations c on c.conversation_id = t.conversation_id
     where t.read_seq > c.last_seq
    union all
    select 'last_inbound_seq_is_the_contacts_latest_message', t.conversation_id,
           jsonb_build_object('last_inbound_seq', t.last_inbound_seq, 'latest', l.seq)
      from chat.threads t
      join chat.conversations c on c.conversation_id = t.conversation_id
      left join lateral (select max(m.seq) as seq from chat.messages m
                          where m.conversation_id = t.conversation_id and m.source = 'contact') l on true
     where t.last_inbound_seq <> coalesce(l.seq, least(t.last_inbound_seq, c.purged_seq))
    union all
    select 'unread_counts_are_exact', t.conversation_id,
           jsonb_build_object('counted', n.counted, 'unread_count', u.derived)
      from chat.threads t
      join chat.conversations c on c.conversation_id = t.conversation_id
     cross join lateral chat.thread_unread(c, t) u (derived)
     cross join lateral (
            select count(*) as counted
              from chat.messages m
             where m.conversation_id = t.conversation_id and m.seq > t.read_seq and m.source = 'contact'
               and m.deleted_at is null) n
     where n.counted <> u.derived
    -- What leads to a contact, and to what was merged away.
    union all
    select 'identities_lead_to_contacts', null, jsonb_build_object('kind', i.kind, 'contact_id', i.contact_id)
      from chat.contact_identities i
      join chat.users u on u.user_id = i.contact_id
     where u.kind <> 'contact' or u.tenant_id <> i.tenant_id or u.erased_at is not null
        or exists (select from chat.redirects r where r.old_id = i.contact_id)
    union all
    select 'threads_are_with_contacts', t.conversation_id, jsonb_build_object('contact_id', t.contact_id)
      from chat.threads t
      join chat.users u on u.user_id = t.contact_id
     where u.kind <> 'contact'
    union all
    select 'redirects_lead_somewhere', null, jsonb_build_object('old_id', r.old_id, 'new_id', r.new_id)
      from chat.redirects r
     where case r.kind
               when 'conversation' then not exists (
                   select from chat.threads t where t.conversation_id = r.new_id and t.tenant_id = r.tenant_id)
               else not exists (
                   select from chat.users u
                    where u.user_id = r.new_id and u.tenant_id = r.tenant_id and u.kind = 'contact') end
        or exists (select from chat.redirects n where n.old_id = r.new_id)
    union all
    select 'what_was_merged_is_gone', null, jsonb_build_object('old_id', r.old_id)
      from chat.redirects r
     where exists (select from chat.conversations c where c.conversation_id = r.old_id)
        or exists (select from chat.users u where u.user_id = r.old_id and u.deactivated_at is null)
    union all
    select 'contacts_react_once', r.conversation_id, jsonb_build_object('message_id', r.message_id)
      from chat.reactions r
      join chat.threads t on t.conversation_id = r.conversation_id and t.contact_id = r.user_id
     group by r.conversation_id, r.message_id
    having count(*) > 1
    -- Providers' ids, and what waits for one.
    union all
    select 'provider_ids_are_of_the_inbox', p.conversation_id,
           jsonb_build_object('provider_message_id', p.provider_message_id)
      from chat.provider_messages p
      join chat.channels h on h.channel_id = p.channel_id
      left join chat.threads t on t.conversation_id = p.conversation_id and t.tenant_id = h.tenant_id
      left join chat.messages m on m.conversation_id = p.conversation_id and m.id = p.message_id
     where t.conversation_id is null or p.message_id is not null and m.id is null
    union all
    select 'parked_events_wait_for_a_message', p.conversation_id,
           jsonb_build_object('provider_message_id', p.provider_message_id)
      from chat.parked_events e
      join chat.provider_messages p
        on p.channel_id = e.channel_id and p.provider_message_id = e.provider_message_id
     where p.message_id is not null
    -- What goes out.
    union all
    select 'outgoing_messages_have_one_delivery', coalesce(m.conversation_id, d.conversation_id),
           jsonb_build_object('seq', m.seq, 'message_id', coalesce(m.id, d.message_id))
      from (select o.*
              from chat.messages o
              join chat.conversations c on c.conversation_id = o.conversation_id and c.kind = 'inbox'
             where o.source in ('person', 'bot', 'automation')) m
      full join chat.deliveries d on d.conversation_id = m.conversation_id and d.message_id = m.id
     where m.id is null or d.message_id is null
    union all
    select 'deliveries_say_what_happened', d.conversation_id,
           jsonb_build_object('message_id', d.message_id, 'status', d.status, 'attempts', d.attempts)
      from chat.deliveries d
     where chat.delivery_rank(d.status) < chat.delivery_rank(case
               when d.played_at is not null then 'played' when d.read_at is not null then 'read'
               when d.delivered_at is not null then 'delivered' when d.failed_at is not null then 'failed'
               when d.sent_at is not null then 'sent' else 'queued' end)
        or d.status = 'failed' and d.failed_at is null
        or d.lease is not null and d.attempts = 0
        or d.status in ('sent', 'delivered', 'read', 'played')
           and not exists (select from chat.provider_messages p
                            where p.conversation_id = d.conversation_id and p.message_id = d.message_id)
    -- Who answers: a bot, as long as no person has taken over.
    union all
    select 'responders_are_bots', null, jsonb_build_object('channel_id', h.channel_id, 'responder_id', h.responder_id)
      from chat.channels h
      join chat.users u on u.user_id = h.responder_id
     where u.kind <> 'bot'
    union all
    select 'no_bot_answers_where_a_person_took_over', t.conversation_id, jsonb_build_object('run_id', r.run_id)
      from chat.threads t
      join chat.runs r on r.conversation_id = t.conversation_id
     where t.taken_over_at is not null and r.status in ('queued', 'in_progress')
    union all
    select 'bots_answer_contacts', r.conversation_id, jsonb_build_object('run_id', r.run_id)
      from chat.runs r
      join chat.threads t on t.conversation_id = r.conversation_id
      join chat.messages m on m.conversation_id = r.conversation_id and m.id = r.message_id
     where m.source <> 'contact' or r.actor_id <> t.contact_id
    union all
    select 'only_whole_answers_go_out', r.conversation_id, jsonb_build_object('run_id', r.run_id)
      from chat.runs r
      join chat.threads t on t.conversation_id = r.conversation_id
     where r.answer_id is not null and r.status <> 'completed'
    union all
    select 'a_desk_is_of_people_and_bots', null, jsonb_build_object('user_id', d.user_id)
      from chat.desk_agents d
      join chat.users u on u.user_id = d.user_id
     where u.kind not in ('person', 'bot') or u.deactivated_at is not null or u.tenant_id <> d.tenant_id
$$;

comment on function chat.inbox_violations is 'The invariants of the inbox: one row per violation.';
