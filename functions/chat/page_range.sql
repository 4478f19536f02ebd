-- chat.page_range: where a page of OpenAI's lists lies, whose cursors are positions: after ends the page before it,
-- before begins the page after it, each as the list is ordered.
--
-- Takes    p_after, p_before: positions, null for none; p_order: asc | desc.
-- Returns  low and high, between which the page lies, both excluded; upward: whether it begins at the lower end. With
--          before alone it is the page that ends there.
create or replace function chat.page_range(
    p_after    bigint,
    p_before   bigint,
    p_order    text,
    out low    bigint,
    out high   bigint,
    out upward boolean
)
language sql immutable
as $$
    select coalesce(case p_order when 'asc' then p_after else p_before end, 0),
           coalesce(case p_order when 'asc' then p_before else p_after end, 9223372036854775807),
           (p_order = 'asc') <> (p_after is null and p_before is not null)
$$;

comment on function chat.page_range is 'Where a page lies between its cursors.';
