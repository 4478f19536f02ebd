-- chat.delivery_problem: why a delivery cannot go out any more.
--
-- Takes    p_delivery: the row, queued.
-- Returns  null, or the error to keep: code, title; for attempts_exhausted last, the error of the last attempt.
create or replace function chat.delivery_problem(p_delivery chat.deliveries) returns jsonb
language sql volatile
as $$
    select case
        when p_delivery.attempts >= (select l.delivery_attempts from chat.limits l) then
            jsonb_build_object('code', 'attempts_exhausted', 'title', 'tried often enough', 'last', p_delivery.error)
        when m.deleted_at is not null then
            jsonb_build_object('code', 'message_deleted', 'title', 'the message was deleted before it went out')
        when m.type <> 'template' and coalesce(chat.window_closes_at(t) <= clock_timestamp(), true) then
            jsonb_build_object('code', 'window_closed', 'title', 'the channel allows only templates now')
        when not exists (select
                           from chat.contact_identities i
                          where i.tenant_id = t.tenant_id and i.contact_id = t.contact_id
                            and i.kind in ('phone', 'wa_id', 'bsuid') and i.retired_at is null) then
            jsonb_build_object('code', 'no_address', 'title', 'nothing is known that leads to the contact')
        end
      from chat.messages m
      join chat.threads t on t.conversation_id = m.conversation_id
     where m.conversation_id = p_delivery.conversation_id and m.id = p_delivery.message_id
$$;

comment on function chat.delivery_problem is 'Null, or why a delivery cannot go out any more.';
