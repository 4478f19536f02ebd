-- chat.order_refusal: checks which way a page goes.
--
-- Returns  null, or validation_error when p_order is neither asc nor desc.
create or replace function chat.order_refusal(p_order text) returns jsonb
language plpgsql volatile
as $$
begin
    if p_order in ('asc', 'desc') then
        return null;
    end if;
    return chat.invalid('order', 'must be asc or desc');
end
$$;

comment on function chat.order_refusal is 'Null, or why an order is refused.';
