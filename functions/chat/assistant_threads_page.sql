-- chat.assistant_threads_page: up to p_limit assistant threads of a user, or of a whole tenant, in the order of their
-- creation.
--
-- Takes    p_user_id: null: everybody's of the tenant; p_session_id: only those begun in it; null: all; p_low, p_high,
--          p_upward: see chat.page_range.
-- Cost     each branch reads an index in order and stops; those that are not meant are not run.
create or replace function chat.assistant_threads_page(
    p_tenant_id  uuid,
    p_user_id    uuid,
    p_session_id uuid,
    p_low        bigint,
    p_high       bigint,
    p_upward     boolean,
    p_limit      integer
) returns setof chat.assistant_threads
language sql stable
as $$
    (select t.* from chat.assistant_threads t
      where p_upward and p_user_id is not null
        and t.user_id = p_user_id and t.position > p_low and t.position < p_high
        and (p_session_id is null or t.session_id = p_session_id)
      order by t.position
      limit p_limit)
    union all
    (select t.* from chat.assistant_threads t
      where not p_upward and p_user_id is not null
        and t.user_id = p_user_id and t.position > p_low and t.position < p_high
        and (p_session_id is null or t.session_id = p_session_id)
      order by t.position desc
      limit p_limit)
    union all
    (select t.* from chat.assistant_threads t
      where p_upward and p_user_id is null
        and t.tenant_id = p_tenant_id and t.position > p_low and t.position < p_high
        and (p_session_id is null or t.session_id = p_session_id)
      order by t.position
      limit p_limit)
    union all
    (select t.* from chat.assistant_threads t
      where not p_upward and p_user_id is null
        and t.tenant_id = p_tenant_id and t.position > p_low and t.position < p_high
        and (p_session_id is null or t.session_id = p_session_id)
      order by t.position desc
      limit p_limit)
$$;

comment on function chat.assistant_threads_page is
    'Assistant threads of a user or a tenant, in the order of their creation.';
