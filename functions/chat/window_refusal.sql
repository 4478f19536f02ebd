-- chat.window_refusal: checks whether a message may go out to the contact of a thread now.
--
-- Takes    p_thread; p_type: the message's. A template may always go.
-- Returns  null, or the refusal with details.closed_at: null when the contact has not written yet.
-- Fails    window_closed
create or replace function chat.window_refusal(p_thread chat.threads, p_type text) returns jsonb
language plpgsql volatile
as $$
declare
    v_closes_at timestamptz := chat.window_closes_at(p_thread);
begin
    if p_type = 'template' or v_closes_at > clock_timestamp() then
        return null;
    end if;
    return chat.fail('window_closed', p_details => jsonb_build_object('closed_at', v_closes_at));
end
$$;

comment on function chat.window_refusal is 'Null, or why the contact may only be sent a template.';
