-- api.upsert_channel_atomic: tell of our end of an outside network, or bring it up to date. One that nobody told of is
-- made by the first event that names it, in the default tenant.
--
-- Takes    p_provider: whatsapp, twilio, ...; p_address: the provider's own id of it (phone_number_id, a sender's
--          number); p_tenant_id: whose it is, made if new; null: the default one's, or as it is; p_reply_window: how
--          long after a contact's message anything may be answered; 0: always; null: 24 hours, or as it is;
--          p_responder_id: the bot that answers contacts, of the channel's tenant; all zeros: nobody; null: as it is.
-- Returns  channel, created.
-- Locks    the bot's user row, shared (deactivation waits its turn); the channel's row.
-- Writes   channels; the bot that stands for the business.
-- Retry    naturally.
-- Fails    validation_error (another tenant's, with conversations), permission_denied, too_large
create or replace function api.upsert_channel_atomic(
    p_provider     text,
    p_address      text default null,
    p_display_name text default null,
    p_tenant_id    uuid default null,
    p_reply_window interval default null,
    p_responder_id uuid default null
) returns jsonb
language plpgsql volatile
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_nobody  constant uuid := '00000000-0000-0000-0000-000000000000'::uuid;
    v_most    integer := (select l.name_characters from chat.limits l);
    v_refusal jsonb := chat.service_refusal();
    v_created boolean;
    v_channel chat.channels;
begin
    v_refusal := coalesce(
        v_refusal,
        case when coalesce(p_provider, '') !~ '^[a-z][a-z0-9_]{0,31}$' then
            chat.invalid('provider', 'must be a lower-case word of at most 32 characters') end,
        case when p_address is null then chat.invalid('address', 'is missing') end,
        chat.text_refusal('address', p_address, v_most),
        chat.text_refusal('display_name', p_display_name, v_most),
        case when p_reply_window < interval '0' then chat.invalid('reply_window', 'is negative') end);
    if v_refusal is not null then
        return v_refusal;
    end if;

    select c.* into v_channel from chat.channels c where c.provider = p_provider and c.address = p_address;
    v_created := not found;
    if p_responder_id <> v_nobody then
        perform from chat.users u
          where u.user_id = p_responder_id and u.kind = 'bot' and u.deactivated_at is null
            and u.tenant_id = coalesce(p_tenant_id, v_channel.tenant_id, '00000000-0000-0000-0000-000000000000')
            for share;
        if not found then
            return chat.invalid('responder_id', 'must be a bot of the channel''s tenant');
        end if;
    end if;

    v_channel := chat.channel_for(p_provider, p_address, p_display_name);
    select c.* into v_channel from chat.channels c where c.channel_id = v_channel.channel_id for update;
    if v_channel.tenant_id <> coalesce(p_tenant_id, v_channel.tenant_id) then
        -- Made by an event before its tenant was told: it may still move, unless somebody has written.
        if exists (select from chat.threads t where t.tenant_id = v_channel.tenant_id
                                                and t.channel_id = v_channel.channel_id)
           or exists (select from chat.provider_messages p where p.channel_id = v_channel.channel_id) then
            return chat.invalid('tenant_id', 'is another one than that of its conversations');
        end if;
        insert into chat.tenants (tenant_id, name) values (p_tenant_id, p_tenant_id::text)
            on conflict (tenant_id) do nothing;
        insert into chat.users (user_id, tenant_id, kind, display_name)
        values (chat.new_id(), p_tenant_id, 'bot', v_channel.display_name)
        returning user_id into v_channel.user_id;
        v_channel.responder_id := null;
    end if;
    update chat.channels c
       set tenant_id = coalesce(p_tenant_id, c.tenant_id), user_id = v_channel.user_id,
           display_name = coalesce(p_display_name, c.display_name),
           reply_window = case when p_reply_window is null then c.reply_window
                               when p_reply_window > interval '0' then p_reply_window end,
           responder_id = nullif(coalesce(p_responder_id, v_channel.responder_id), v_nobody)
     where c.channel_id = v_channel.channel_id
    returning c.* into v_channel;
    update chat.users u
       set display_name = v_channel.display_name, updated_at = clock_timestamp()
     where u.user_id = v_channel.user_id and u.display_name <> v_channel.display_name;
    return chat.ok(jsonb_build_object('channel', chat.channel_json(v_channel), 'created', v_created),
                   case when v_created then 201 else 200 end);
end
$$;

comment on function api.upsert_channel_atomic is 'Tell of our end of an outside network, or bring it up to date.';
