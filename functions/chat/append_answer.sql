-- chat.append_answer: makes what a responder said a message, whose id is the run's: so it could be told before. In an
-- inbox it goes out (chat.answer_contact).
--
-- Takes    p_run, which is locked with its conversation; p_content, p_metadata: of the message.
-- Returns  {"message"}; or {"error": {"code", "message"}}, and then nothing was written.
create or replace function chat.append_answer(p_run chat.runs, p_content text, p_metadata jsonb) returns jsonb
language plpgsql volatile
as $$
declare
    v_message jsonb;
begin
    if chat.desk_id(p_run.conversation_id) is not null then
        return chat.answer_contact(p_run, p_content, p_metadata);
    end if;
    v_message := chat.append_message(
        p_run.conversation_id, p_run.responder_id,
        (select u.display_name from chat.users u where u.user_id = p_run.responder_id),
        'bot', 'text', p_content, p_metadata, p_run.message_id, p_id => p_run.run_id);
    if v_message is null then
        return jsonb_build_object('error', jsonb_build_object(
            'code', 'conversation_closed', 'message', 'the conversation was closed before the answer came'));
    end if;
    return jsonb_build_object('message', v_message);
end
$$;

comment on function chat.append_answer is 'Make what a responder said a message.';
