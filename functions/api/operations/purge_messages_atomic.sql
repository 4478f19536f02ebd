-- api.purge_messages_atomic: retention: delete the oldest part of logs for good.
--
-- Takes    p_before: what is older goes; p_conversation_id, p_tenant_id: only there; null: everywhere. One
--          transaction: purge by conversation where there is much.
-- Returns  affected_count (messages gone), conversations (how many logs were shortened).
-- Locks    per conversation the active members' rows, then the conversation row, then a thread's, all in id order;
--          then the runs.
-- Writes   deletes messages, changes, reactions, exclusions, ChatKit items up to a log number, and the runs about those
--          messages; conversations.purged_seq; moves watermarks that lag behind it. Clients with an older cursor are
--          told reset.
-- Retry    naturally.
-- Fails    validation_error, permission_denied
create or replace function api.purge_messages_atomic(
    p_before          timestamptz,
    p_conversation_id uuid default null,
    p_tenant_id       uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal  jsonb := chat.service_refusal();
    v_affected uuid[];
    v_seqs     bigint[];
    v_begun    timestamptz[];
    v_log      record;
    v_logs     integer := 0;
    v_count    bigint := 0::bigint;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;
    if p_before is null then
        return chat.invalid('before', 'is missing');
    end if;

    -- How far, before the locks: who joins while we wait for them does so later in the log, so that the
    -- watermarks to be moved are all in rows that we hold.
    select coalesce(array_agg(l.conversation_id), '{}'), array_agg(l.seq), array_agg(l.created_at)
      into v_affected, v_seqs, v_begun
      from (select c.conversation_id, c.created_at, c.purged_seq,
                   chat.last_seq_before(c.conversation_id, p_before) as seq
              from chat.conversations c
             where (p_conversation_id is null or c.conversation_id = p_conversation_id)
               and (p_tenant_id is null or c.tenant_id = p_tenant_id)
               and c.last_seq > c.purged_seq and c.created_at < p_before) l
     where l.seq > l.purged_seq;
    perform from chat.members m
      where m.conversation_id = any (v_affected) and m.left_seq is null and m.role not in ('agent', 'contact')
      order by m.conversation_id, m.user_id
        for no key update;
    perform from chat.conversations c
      where c.conversation_id = any (v_affected)
      order by c.conversation_id
        for no key update;
    perform from chat.threads t
      where t.conversation_id = any (v_affected)
      order by t.conversation_id
        for no key update;

    -- A thread that was deleted and begun again under its id while we waited has a log of its own.
    for v_log in
        select l.conversation_id, l.seq
          from unnest(v_affected, v_seqs, v_begun) l (conversation_id, seq, created_at)
          join chat.conversations c
            on c.conversation_id = l.conversation_id and c.created_at = l.created_at and c.purged_seq < l.seq
    loop
        v_count := v_count + chat.purge_log(v_log.conversation_id, v_log.seq);
        v_logs := v_logs + 1;
    end loop;
    return chat.ok(jsonb_build_object('affected_count', v_count, 'conversations', v_logs));
end
$$;

comment on function api.purge_messages_atomic is 'Retention: delete the oldest part of logs for good.';
