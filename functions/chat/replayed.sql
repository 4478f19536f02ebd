-- chat.replayed: answers a send whose client_message_id was used before.
--
-- Takes    p_message: the first message; the other arguments: what is sent now.
-- Returns  the first result with "duplicate": true when both say the same, however the message was edited or
--          deleted since, else the refusal. What has been erased, or purged as the message it answers, is
--          taken to be the same.
-- Fails    idempotency_conflict
create or replace function chat.replayed(
    p_message     chat.messages,
    p_sender_name text,
    p_content     text,
    p_type        text,
    p_metadata    jsonb,
    p_reply_to_id uuid
) returns jsonb
language plpgsql volatile
as $$
declare
    v_content  text := chat.original_content(p_message);
    v_metadata jsonb := chat.original_metadata(p_message);
begin
    if p_message.type <> p_type
       or v_metadata <> coalesce(p_metadata, '{}')
       or p_message.reply_to_id is distinct from (
              select t.id
                from chat.messages t
               where t.conversation_id = p_message.conversation_id and t.id = p_reply_to_id)
       or v_content is distinct from p_content and v_metadata is not null then
        return chat.fail('idempotency_conflict', 'this client_message_id was used for another message',
                         jsonb_build_object('message_id', p_message.id));
    end if;
    return chat.ok(jsonb_build_object('message', chat.message_json(p_message, p_sender_name), 'duplicate', true));
end
$$;

comment on function chat.replayed is 'The first result of a send again, or idempotency_conflict.';
