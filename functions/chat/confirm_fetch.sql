-- chat.confirm_fetch: notes how far a listener has come, so that maintain() may trim what all have seen.
--
-- Takes    p_listener_id; p_snapshot: the last one it was given; p_first: it may be null, for the first look.
-- Returns  as_text: how it gets events; or the refusal of one that never attached, is another session, or was
--          forgotten.
-- Locks    the listener's row, when it is written. Then maintain() cannot forget it in the same moment.
-- Writes   listeners: at the first look awake_from (a transaction that overlooked the listener when it published
--          had its xid before this one was assigned), soon after its snapshot, for nothing is trimmed before; later
--          snapshots lazily, as every writer reads the row.
-- Fails    validation_error, not_found
create or replace function chat.confirm_fetch(
    p_listener_id integer,
    p_snapshot    pg_snapshot,
    p_first       boolean default false,
    out as_text   boolean,
    out refusal   jsonb
)
language plpgsql volatile
as $$
declare
    v_listener record;
    v_every    interval := (select least(interval '5 seconds', l.outbox_retention / 4) from chat.limits l);
begin
    if p_listener_id is null then
        refusal := chat.invalid('listener_id', 'is missing');
        return;
    end if;
    select l.fetched_at, l.snapshot, l.awake_from, l.channel,
           l.xmin = pg_current_xact_id_if_assigned()::xid as attaching
      into v_listener
      from chat.listeners l
     where l.lock_key = p_listener_id and l.backend_pid = pg_backend_pid();
    if not found then
        refusal := chat.fail('not_found', 'this session is not attached as that listener: attach, resume from the log');
        return;
    end if;
    as_text := v_listener.channel is not null;
    if p_snapshot is null and not p_first or p_snapshot is not null and v_listener.awake_from is null then
        refusal := chat.invalid('snapshot',
                                'must come from this listener''s first fetch, after push_attach has committed');
        return;
    end if;

    if p_snapshot is null and v_listener.attaching is not true
       or p_snapshot is not null
          and (v_listener.snapshot is null or v_listener.fetched_at < clock_timestamp() - v_every) then
        update chat.listeners l
           set snapshot = p_snapshot,
               fetched_at = clock_timestamp(),
               awake_from = case when p_snapshot is null then pg_current_xact_id() else l.awake_from end
         where l.lock_key = p_listener_id;
        if not found then
            refusal := chat.fail('not_found', 'this listener was just forgotten: attach again, resume from the log');
        end if;
    end if;
end
$$;

comment on function chat.confirm_fetch is 'Note how far a listener has come, or refuse one that is not attached.';
