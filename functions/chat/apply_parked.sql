-- chat.apply_parked: what came before the message it is about, now that the message is there.
--
-- Takes    p_provider_message_id: the message's, whose name the caller has locked.
-- Writes   what chat.receive_event writes for each, in the order of the provider's times; parked_events less.
create or replace function chat.apply_parked(p_channel chat.channels, p_provider_message_id text) returns void
language plpgsql volatile
as $$
declare
    v_events jsonb[] := array(
        select p.event
          from chat.parked_events p
         where p.channel_id = p_channel.channel_id and p.provider_message_id = p_provider_message_id
         order by (p.event ->> 'at')::timestamptz, p.digest);
    v_event  jsonb;
begin
    if v_events = '{}' then
        return;
    end if;
    delete from chat.parked_events p
     where p.channel_id = p_channel.channel_id and p.provider_message_id = p_provider_message_id;
    foreach v_event in array v_events
    loop
        if v_event ->> 'kind' = 'reply' then
            perform chat.receive_reply(p_channel, v_event);
        else
            perform chat.receive_event(p_channel, v_event);
        end if;
    end loop;
end
$$;

comment on function chat.apply_parked is 'Apply what came before the message it is about.';
