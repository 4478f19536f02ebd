-- chat.answer_contact: the answer of a run in an inbox conversation goes out to the contact.
--
-- Takes    p_run: in progress; p_content, p_metadata: the answer's. The caller holds the conversation row.
-- Returns  {"message"}; or {"error": {"code", "message"}}, nothing is written then: the conversation or its reply
--          window was closed, the bot deactivated, while it was thinking, or the answer is too long for a message.
-- Locks    the thread row.
-- Writes   as chat.write_to_contact.
-- Why      The message's id is its own and not the run's, as in an assistant thread: what goes out does so in the order
--          of ids.
create or replace function chat.answer_contact(p_run chat.runs, p_content text, p_metadata jsonb) returns jsonb
language plpgsql volatile
as $$
declare
    v_thread    chat.threads := chat.lock_thread(p_run.conversation_id);
    v_responder chat.users;
    v_code      text;
begin
    select u.* into strict v_responder from chat.users u where u.user_id = p_run.responder_id;
    select case when v_responder.deactivated_at is not null then 'permission_denied'
                when c.closed_at is not null then 'conversation_closed'
                when chat.window_closes_at(v_thread) > clock_timestamp() is not true then 'window_closed'
                when length(p_content) > l.content_characters then 'too_large' end
      into strict v_code
      from chat.conversations c
     cross join chat.limits l
     where c.conversation_id = p_run.conversation_id;
    if v_code is not null then
        return (select jsonb_build_object('error', jsonb_build_object('code', e.code, 'message', e.meaning))
                  from api.error_codes e
                 where e.code = v_code);
    end if;
    return jsonb_build_object('message', chat.write_to_contact(
        v_thread, v_responder.user_id, v_responder.display_name, 'bot', 'text', p_content, p_metadata,
        p_run.message_id));
end
$$;

comment on function chat.answer_contact is 'The answer of a run goes out to the contact.';
