-- One step of sql/migrate.sql: the file :number of :files, then the next by including itself.
select coalesce(regexp_replace((string_to_array(:'files', E'\n'))[:number], '[.]sql$', ''), '') as id \gset
select :'id' <> '' as more \gset
\if :more
    \set content `cat migrations/:id.sql`
    select encode(sha256(convert_to(
               rtrim(replace(:'content', E'\r\n', E'\n'), E' \t\r\n'), 'UTF8')), 'hex') as checksum,
           encode(sha256(convert_to(:'id', 'UTF8')), 'hex') as hash,
           :'content' !~* '(^|\n)\s*--\s*transactional\s*:\s*false' as transactional \gset
    select not exists (select from _yoyo_migration m where m.migration_id = :'id') as pending,
           exists (select from checksums c where c.migration_id = :'id' and c.sha256 <> :'checksum') as edited \gset
    \if :edited
        \warn :id 'was edited after it was applied: restore it and put the change into a new migration'
        select 1 / 0 as edited_migration;
    \endif
    \if :pending
        \if :transactional
            begin;
        \endif
        \set file ../migrations/ :id .sql
        \ir :file
        \if :transactional
        \else
            begin;
        \endif
        set local role parley_owner;
        insert into _yoyo_migration (migration_hash, migration_id, applied_at_utc)
        values (:'hash', :'id', clock_timestamp() at time zone 'utc');
        insert into _yoyo_log (id, migration_hash, migration_id, operation, username, hostname, created_at_utc)
        values (gen_random_uuid(), :'hash', :'id', 'apply', session_user, 'psql', clock_timestamp() at time zone 'utc');
        insert into checksums (migration_id, sha256) values (:'id', :'checksum')
        on conflict (migration_id) do update set sha256 = excluded.sha256;
        commit;
        \echo applied :id
    \endif
    select :number + 1 as number \gset
    \ir migrate_next.sql
\endif
