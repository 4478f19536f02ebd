-- chat.store_page_refusal: checks how a ChatKit Store asks for a page. Its callers ask for as many as they like and get
-- at most a page.
--
-- Returns  null, or validation_error.
create or replace function chat.store_page_refusal(p_limit integer, p_order text) returns jsonb
language plpgsql volatile
as $$
begin
    if coalesce(p_limit, 0) < 1 then
        return chat.invalid('limit', 'must be 1 or more');
    end if;
    return chat.order_refusal(p_order);
end
$$;

comment on function chat.store_page_refusal is 'Null, or why a page of a ChatKit Store is refused.';
