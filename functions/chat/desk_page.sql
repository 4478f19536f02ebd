-- chat.desk_page: which threads a page of api.list_threads shows, by last activity, newest first.
--
-- Takes    p_tenant_id; p_query, p_unread_only, p_assignee_id, p_closed: as api.list_threads; p_time, p_id: the page
--          begins after these; p_count: how many.
-- Cost     planned anew each time, for the filters that are given: those that are not cost nothing, and each has its
--          index. A query reads the names and identities of the tenant's contacts.
create or replace function chat.desk_page(
    p_tenant_id   uuid,
    p_query       text,
    p_unread_only boolean,
    p_assignee_id uuid,
    p_closed      boolean,
    p_time        timestamptz,
    p_id          uuid,
    p_count       integer
) returns setof chat.threads
language plpgsql stable
set plan_cache_mode = force_custom_plan
as $$
declare
    v_query  text := lower(p_query);
    v_digits text := case when p_query ~ '^[-+0-9 ().]*[0-9][-+0-9 ().]*$'
                          then regexp_replace(p_query, '[^0-9]', '', 'g') end;
begin
    return query
    select t.*
      from chat.threads t
     where t.tenant_id = p_tenant_id
       and (p_time is null or (t.last_activity_at, t.conversation_id) < (p_time, p_id))
       and (p_assignee_id is null or t.assignee_id = p_assignee_id)
       and (not p_unread_only
            or t.last_inbound_seq > t.read_seq
               and exists (select from chat.messages m
                            where m.conversation_id = t.conversation_id and m.seq > t.read_seq
                              and m.source = 'contact' and m.deleted_at is null))
       and (p_closed is null
            or exists (select from chat.conversations c
                        where c.conversation_id = t.conversation_id
                          and (p_closed and c.closed_at is not null or not p_closed and c.closed_at is null)))
       and (v_query is null
            or t.contact_id in (
                   select u.user_id from chat.users u
                    where u.tenant_id = p_tenant_id and u.kind = 'contact'
                      and strpos(lower(u.display_name), v_query) > 0
                   union all
                   select i.contact_id from chat.contact_identities i
                    where i.tenant_id = p_tenant_id
                      and (strpos(lower(i.value), v_query) > 0
                           or i.kind in ('phone', 'wa_id') and strpos(i.value, v_digits) > 0)))
     order by t.last_activity_at desc, t.conversation_id desc
     limit p_count;
end
$$;

comment on function chat.desk_page is 'Which threads a page of the desk''s list shows.';
