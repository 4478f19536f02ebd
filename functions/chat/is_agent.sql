-- chat.is_agent: whether a user works at the desk of their tenant: reads and answers its inbox.
--
-- Takes    p_user: the user's row.
-- Rule     People and bots; all of them, or those in chat.desk_agents where tenants.desk says so. Contacts never.
create or replace function chat.is_agent(p_user chat.users) returns boolean
language sql stable
as $$
    select p_user.kind in ('person', 'bot') and p_user.deactivated_at is null
           and exists (select from chat.tenants t
                        where t.tenant_id = p_user.tenant_id
                          and (t.desk = 'everyone'
                               or exists (select from chat.desk_agents d
                                           where d.tenant_id = t.tenant_id and d.user_id = p_user.user_id)))
$$;

comment on function chat.is_agent is 'Whether a user works at the desk of their tenant.';
