-- chat.subject: the user a token is for: sub of request.jwt.claims; null without claims or a uuid in them.
-- It only says which rows to lock before chat.actor decides under the lock.
create or replace function chat.subject() returns uuid
language sql stable
as $$
    select case when chat.is_uuid(c.sub) then c.sub::uuid end
      from (select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub') c (sub)
$$;

comment on function chat.subject is 'The user a token is for.';
