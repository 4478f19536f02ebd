-- chat.session_status: cancelled | expired | active, as of now.
create or replace function chat.session_status(p_session chat.sessions) returns text
language sql stable
as $$
    select case when p_session.cancelled_at is not null then 'cancelled'
                when p_session.expires_at <= clock_timestamp() then 'expired'
                else 'active' end
$$;

comment on function chat.session_status is 'What has become of a session.';
