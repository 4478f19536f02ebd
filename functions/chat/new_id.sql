-- chat.new_id: a uuid v7 (RFC 9562, 5.7): the millisecond it was made, then 74 random bits, so that
-- new ids land at the right end of an index. PostgreSQL 18 brings uuidv7(); before it, the timestamp is
-- laid over a random uuid, whose version and variant bits are then set.
do $do$
begin
    if current_setting('server_version_num')::integer >= 180000 then
        create or replace function chat.new_id() returns uuid
        language sql volatile
        as 'select pg_catalog.uuidv7()';
    else
        create or replace function chat.new_id() returns uuid
        language sql volatile
        as $$
            select encode(
                set_bit(set_bit(
                    overlay(
                        uuid_send(gen_random_uuid())
                        placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
                        from 1 for 6),
                    52, 1), 53, 1),
                'hex')::uuid
        $$;
    end if;
end
$do$;

comment on function chat.new_id is 'A uuid v7.';
