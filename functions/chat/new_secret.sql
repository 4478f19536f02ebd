-- chat.new_secret: a session's client secret: which session it opens, then 244 random bits.
create or replace function chat.new_secret(p_session_id uuid) returns text
language sql volatile
as $$
    select format('ck_%s_%s', replace(p_session_id::text, '-', ''),
                  replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''))
$$;

comment on function chat.new_secret is 'A session''s client secret.';
