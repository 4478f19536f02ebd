-- chat.import_messages: adds messages of an older inbox behind the log of a thread.
--
-- Takes    p_thread, p_channel: locked, of the same tenant; p_messages: as checked by chat.import_refusal;
--          p_unread_from: the contact's messages from then on have not been read, null: all have.
-- Returns  imported: how many are new; inbound: how many of them the contact wrote; inbound_seq: the number of their
--          last; read_seq: up to where the desk has read them; last_seq: the last number taken.
-- Writes   messages, of deleted ones the change that tells of it; provider_messages; deliveries, settled.
-- Rule     a message without a provider's id is known by its time, source, type, content and metadata in its thread; it
--          gets an id of ours.
-- Cost     one statement, however many there are.
create or replace function chat.import_messages(
    p_thread        chat.threads,
    p_channel       chat.channels,
    p_messages      jsonb,
    p_unread_from   timestamptz,
    out imported    bigint,
    out inbound     bigint,
    out inbound_seq bigint,
    out read_seq    bigint,
    out last_seq    bigint
)
language plpgsql volatile
as $$
declare
    v_start bigint := (select c.last_seq from chat.conversations c where c.conversation_id = p_thread.conversation_id);
begin
    with given as (
        select distinct on (i.id) g.*, i.id, chat.fitted_metadata(g.metadata) as fitted, e.position
          from jsonb_array_elements(p_messages) with ordinality e (message, position)
         cross join lateral jsonb_to_record(e.message)
               g (provider_message_id text, source text, type text, content text, metadata jsonb, status text,
                  error jsonb, is_deleted boolean, created_at timestamptz)
         cross join lateral (
               select coalesce(g.provider_message_id, 'import:' || encode(sha256(convert_to(jsonb_build_array(
                          p_thread.conversation_id, extract(epoch from g.created_at), g.source, g.type, g.content,
                          g.metadata)::text, 'UTF8')), 'hex'))) i (id)
         order by i.id, e.position
    ), fresh as (
        select g.*
          from given g
         where not exists (select from chat.provider_messages p
                            where p.channel_id = p_channel.channel_id and p.provider_message_id = g.id)
           and not exists (select from chat.messages m
                            where m.conversation_id = p_thread.conversation_id and m.created_at = g.created_at
                              and m.source = g.source and m.type = g.type
                              and m.content is not distinct from g.content and m.metadata = g.fitted
                              and g.provider_message_id is null)
    ), placed as materialized (
        select f.id as provider_message_id, f.source, f.type, f.content, f.fitted, f.status, f.error, f.created_at,
               coalesce(f.is_deleted, false) as is_deleted, chat.new_id() as id,
               case f.source when 'contact' then p_thread.contact_id else p_channel.user_id end as sender_id,
               v_start + row_number() over log + coalesce(
                   count(*) filter (where f.is_deleted)
                       over (log rows between unbounded preceding and 1 preceding), 0) as seq,
               count(*) filter (where f.source = 'contact') over log as ordinal
          from fresh f
        window log as (order by f.created_at, f.position)
    ), messages as (
        insert into chat.messages (conversation_id, seq, id, sender_id, source, type, content, metadata, ordinal,
                                   created_at, deleted_at)
        select p_thread.conversation_id, p.seq, p.id, p.sender_id, p.source, p.type,
               case when not p.is_deleted then p.content end,
               case when p.is_deleted then '{}' else p.fitted end,
               case v_start when 0 then p.ordinal else 0 end, p.created_at,
               case when p.is_deleted then p.created_at end
          from placed p
         order by p.seq
    ), changes as (
        insert into chat.changes (conversation_id, seq, kind, message_id, actor_id, created_at)
        select p_thread.conversation_id, p.seq + 1, 'message_deleted', p.id, p.sender_id, p.created_at
          from placed p
         where p.is_deleted
    ), ids as (
        insert into chat.provider_messages (channel_id, provider_message_id, conversation_id, message_id, sent_at)
        select p_channel.channel_id, p.provider_message_id, p_thread.conversation_id, p.id, p.created_at
          from placed p
    ), deliveries as (
        insert into chat.deliveries (conversation_id, message_id, channel_id, status, due_at, sent_at, failed_at, error)
        select p_thread.conversation_id, p.id, p_channel.channel_id, p.status, p.created_at,
               case when p.status <> 'failed' then p.created_at end,
               case when p.status = 'failed' then p.created_at end, nullif(p.error, 'null')
          from placed p
         where p.source <> 'contact'
    )
    select count(*), count(*) filter (where p.source = 'contact'),
           coalesce(max(p.seq) filter (where p.source = 'contact'), 0),
           min(p.seq) filter (where p.source = 'contact' and not p.is_deleted and p.created_at >= p_unread_from) - 1,
           coalesce(max(p.seq + p.is_deleted::integer), v_start)
      into imported, inbound, inbound_seq, read_seq, last_seq
      from placed p;
    read_seq := coalesce(read_seq, last_seq);
end
$$;

comment on function chat.import_messages is 'Add messages of an older inbox behind the log of a thread.';
