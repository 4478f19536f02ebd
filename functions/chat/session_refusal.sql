-- chat.session_refusal: checks a session that a path names beside what it is about.
--
-- Takes    p_session_id: null is fine; p_user_id: whose it must be, in whatever state; null: anybody's.
-- Returns  null, or the refusal.
-- Fails    not_found
create or replace function chat.session_refusal(p_session_id uuid, p_user_id uuid) returns jsonb
language plpgsql volatile
as $$
begin
    if p_session_id is null
       or exists (select from chat.sessions s
                   where s.session_id = p_session_id and s.user_id = coalesce(p_user_id, s.user_id)) then
        return null;
    end if;
    return chat.fail('not_found', 'there is no such session');
end
$$;

comment on function chat.session_refusal is 'Null, or not_found for a session that is not this user''s.';
