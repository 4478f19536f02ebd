-- chat.existing_conversation: answers a creation whose conversation is there already.
--
-- Takes    p_client_key, p_request_digest: of the request now; p_with_message: whether it has a first message.
-- Returns  the first result with "duplicate": true when the same creator's key says the same, else a refusal.
-- Fails    conversation_exists, idempotency_conflict
create or replace function chat.existing_conversation(
    p_conversation_id uuid,
    p_actor_id        uuid,
    p_client_key      text,
    p_request_digest  bytea,
    p_with_message    boolean
) returns jsonb
language plpgsql volatile
as $$
declare
    v_conversation chat.conversations := (
        select c from chat.conversations c where c.conversation_id = p_conversation_id);
    v_details      jsonb := jsonb_build_object('conversation_id', p_conversation_id);
begin
    if v_conversation.created_by <> p_actor_id or v_conversation.client_key is distinct from p_client_key
       or p_client_key is null then
        return chat.fail('conversation_exists', p_details => v_details);
    end if;
    if v_conversation.request_digest <> p_request_digest then
        return chat.fail('idempotency_conflict', 'this client_key was used for another conversation', v_details);
    end if;
    return chat.created_conversation(
        p_conversation_id,
        (select chat.message_json(m, u.display_name)
           from chat.messages m
           join chat.users u on u.user_id = m.sender_id
          where p_with_message and m.conversation_id = p_conversation_id and m.seq = 1),
        true);
end
$$;

comment on function chat.existing_conversation is 'The answer to creating what is there already.';
