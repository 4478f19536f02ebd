-- Where migrations are remembered: yoyo's own tables, in a schema of their own, and the checksum of
-- each applied file. Run by `parley migrate` and by sql/migrate.sql; safe to run again.
create schema if not exists parley_migrations authorization parley_owner;

set role parley_owner;

create table if not exists parley_migrations._yoyo_migration (
    migration_hash varchar(64) not null primary key,
    migration_id   varchar(255),
    applied_at_utc timestamp
);

create table if not exists parley_migrations._yoyo_log (
    id             varchar(36) not null primary key,
    migration_hash varchar(64),
    migration_id   varchar(255),
    operation      varchar(10),
    username       varchar(255),
    hostname       varchar(255),
    comment        varchar(255),
    created_at_utc timestamp
);

create table if not exists parley_migrations._yoyo_version (
    version          integer not null primary key,
    installed_at_utc timestamp
);
insert into parley_migrations._yoyo_version (version, installed_at_utc)
values (2, now() at time zone 'utc')
on conflict do nothing;

create table if not exists parley_migrations.yoyo_lock (
    locked integer not null default 1 primary key,
    ctime  timestamp,
    pid    integer not null
);

create table if not exists parley_migrations.checksums (
    migration_id text not null,
    sha256       text not null,
    constraint checksums_pkey primary key (migration_id)
);

comment on schema parley_migrations is 'Parley: which migrations were applied.';
comment on table parley_migrations.checksums is 'What each applied file held; an edited one is refused.';
comment on column parley_migrations.checksums.migration_id is 'File name without .sql.';
comment on column parley_migrations.checksums.sha256 is 'Of its text in UTF-8, line ends as \n, trailing white space dropped.';

grant usage on schema parley_migrations to parley_api, parley_operator;
grant select on parley_migrations._yoyo_migration, parley_migrations.checksums to parley_api, parley_operator;

reset role;
