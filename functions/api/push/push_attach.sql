-- api.push_attach: make this session a listener: it has done `listen parley` and gets every event from its
-- first push_fetch on. Commit it on its own: writers look at listeners they can see.
--
-- The life of a listener (docs/push.md has it as a program, and the proof that no wake-up is lost):
--     listen parley; push_attach; push_fetch with no snapshot; then bring clients up to date from the log;
--     push_fetch as long as something comes; then push_sleep;
--     asleep: wait for a notification or half a minute, then push_wake; not asleep: look again in a moment.
--
-- Takes    p_with_content: ring with the event itself, on a channel that only this session knows, and give the events
--          of every look as one text. Such a listener has both channels to listen to before its first push_fetch
--          (docs/push.md, "Events with the bell").
-- Returns  listener_id, channel (what every listener listens to), own_channel (with p_with_content).
-- Writes   listeners +1, in place of what this session was before.
-- Fails    permission_denied
create or replace function api.push_attach(p_with_content boolean default false) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_refusal jsonb := chat.service_refusal();
    v_new     chat.listeners;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;

    delete from chat.listeners l where l.backend_pid = pg_backend_pid();
    insert into chat.listeners (backend_pid, channel)
    values (pg_backend_pid(), case when p_with_content then 'parley ' || gen_random_uuid() end)
    returning * into v_new;
    return chat.ok(jsonb_strip_nulls(jsonb_build_object(
        'listener_id', v_new.lock_key, 'channel', chat.doorbell(), 'own_channel', v_new.channel)));
end
$$;

comment on function api.push_attach is 'Make this session a listener of all events.';
