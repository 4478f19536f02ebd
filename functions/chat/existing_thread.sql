-- chat.existing_thread: answers the creation of an assistant thread whose key is taken: a key names its user, so it
-- was them who used it.
--
-- Takes    p_request_digest: of the request now.
-- Returns  the first result with "duplicate": true when it says the same, else the refusal.
-- Fails    idempotency_conflict
create or replace function chat.existing_thread(p_conversation_id uuid, p_request_digest bytea) returns jsonb
language plpgsql volatile
as $$
begin
    perform from chat.conversations c
      where c.conversation_id = p_conversation_id and c.request_digest = p_request_digest;
    if not found then
        return chat.fail('idempotency_conflict', 'this client_key was used for another thread',
                         jsonb_build_object('conversation_id', p_conversation_id));
    end if;
    return chat.assistant_thread_result(p_conversation_id, '{"duplicate": true}');
end
$$;

comment on function chat.existing_thread is 'The answer to creating an assistant thread that is there already.';
