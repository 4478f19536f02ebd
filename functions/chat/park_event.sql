-- chat.park_event: keeps an event until the message it is about comes; the same one once.
--
-- Locks    the caller has locked the message's name: it is not just coming.
create or replace function chat.park_event(p_channel_id uuid, p_provider_message_id text, p_event jsonb) returns void
language sql volatile
as $$
    insert into chat.parked_events (channel_id, provider_message_id, digest, event)
    values (p_channel_id, p_provider_message_id, chat.digest(p_event), p_event)
        on conflict (channel_id, provider_message_id, digest) do nothing
$$;

comment on function chat.park_event is 'Keep an event until the message it is about comes.';
