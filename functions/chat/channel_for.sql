-- chat.channel_for: our end of an outside network by the provider's own id of it, made when it is new: whatever
-- comes is kept, whoever has told us of the channel or not.
--
-- Takes    p_provider, p_address; p_display_name: null: the address.
-- Returns  the channel; a new one belongs to the default tenant.
-- Writes   channels +1 and the bot that stands for the business, once.
create or replace function chat.channel_for(p_provider text, p_address text, p_display_name text)
returns chat.channels
language plpgsql volatile
as $$
declare
    v_channel   chat.channels;
    v_tenant_id uuid := '00000000-0000-0000-0000-000000000000'::uuid;
    v_name      text := left(coalesce(p_display_name, p_address), (select l.name_characters from chat.limits l));
begin
    select c.* into v_channel from chat.channels c where c.provider = p_provider and c.address = p_address;
    if found then
        return v_channel;
    end if;

    v_channel.channel_id := chat.derived_id(v_tenant_id, format('channel:%s:%s', p_provider, p_address));
    -- Whoever comes second, at the same moment, waits here and finds it done: at whichever key they meet first.
    insert into chat.users (user_id, tenant_id, kind, display_name)
    values (v_channel.channel_id, v_tenant_id, 'bot', v_name)
        on conflict do nothing;
    insert into chat.channels (channel_id, tenant_id, provider, address, display_name, user_id)
    values (v_channel.channel_id, v_tenant_id, p_provider, p_address, v_name, v_channel.channel_id)
        on conflict do nothing;
    select c.* into strict v_channel from chat.channels c where c.provider = p_provider and c.address = p_address;
    return v_channel;
end
$$;

comment on function chat.channel_for is 'Our end of an outside network, made when it is new.';
