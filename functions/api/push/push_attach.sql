-- api.push_attach: make this session a listener: it has done `listen parley` and gets every event from its
-- first push_fetch on. Commit it on its own: writers look at listeners they can see.
--
-- The life of a listener (docs/push.md has it as a program, and the proof that no wake-up is lost):
--     listen parley; push_attach; push_fetch with no snapshot; then bring clients up to date from the log;
--     push_fetch as long as something comes; then push_sleep;
--     asleep: wait for a notification or half a minute, then push_wake; not asleep: look again in a moment.
--
-- Returns  listener_id, channel (what to listen to).
-- Writes   listeners +1, in place of what this session was before.
-- Fails    permission_denied
create or replace function api.push_attach() returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := chat.service_refusal();
    v_id      integer;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;

    delete from chat.listeners l where l.backend_pid = pg_backend_pid();
    insert into chat.listeners (backend_pid) values (pg_backend_pid()) returning lock_key into v_id;
    return chat.ok(jsonb_build_object('listener_id', v_id, 'channel', chat.doorbell()));
end
$$;

comment on function api.push_attach is 'Make this session a listener of all events.';
