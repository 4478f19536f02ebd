-- chat.assistant_for: the bot that answers in a tenant's assistant threads, made when it is first needed. Its name can
-- be changed with api.upsert_user_atomic, like anybody's.
--
-- Returns  the user's row.
-- Writes   users +1, once.
create or replace function chat.assistant_for(p_tenant_id uuid) returns chat.users
language plpgsql volatile
as $$
declare
    v_assistant chat.users;
begin
    select u.* into v_assistant from chat.users u where u.user_id = chat.assistant_id(p_tenant_id);
    if found then
        return v_assistant;
    end if;
    insert into chat.users (user_id, tenant_id, kind, display_name)
    values (chat.assistant_id(p_tenant_id), p_tenant_id, 'bot', 'Assistant')
        on conflict (user_id) do nothing;
    -- Whoever was first, the statement above waited for their commit.
    select u.* into strict v_assistant from chat.users u where u.user_id = chat.assistant_id(p_tenant_id);
    return v_assistant;
end
$$;

comment on function chat.assistant_for is 'The bot that answers in a tenant''s assistant threads.';
