-- What `parley migrate` does, by psql alone, from the project's folder:
--
--   psql -v ON_ERROR_STOP=1 -f sql/migrate.sql "$DATABASE_URL"
--
-- Keeps the same books, so the two may take turns. Where a table is busy it gives up after three
-- seconds instead of queueing with everybody behind it: run it again.
\set ON_ERROR_STOP 1
\set QUIET 1
\set here `test -f sql/migrate.sql && echo true || echo false`
\if :here
\else
    \warn 'run this from the folder that holds sql/, migrations/ and functions/'
    select 1 / 0 as wrong_folder;
\endif

set client_encoding = 'UTF8';
set client_min_messages = warning;
set statement_timeout = 0;
set idle_in_transaction_session_timeout = 0;
set lock_timeout = 0;
\echo waiting for our turn
\o /dev/null
select pg_advisory_lock(7205759403792);
\o
set lock_timeout = '3s';

select count(*) = 4 and bool_and(pg_has_role(oid, 'member')) as roles_are_there
  from pg_roles
 where rolname in ('parley_owner', 'parley_api', 'parley_user', 'parley_operator') \gset
select rolsuper or rolcreaterole as may_create_roles from pg_roles where rolname = current_user \gset
\if :may_create_roles
    \ir roles.sql
\elif :roles_are_there
    \echo roles are there already; left as they are
\else
    \ir roles.sql
\endif

\ir bookkeeping.sql

set search_path to parley_migrations;
\set files `ls migrations | grep -v '[.]rollback[.]sql$' | grep '[.]sql$' | LC_ALL=C sort`
\set number 1
\ir migrate_next.sql

set search_path to default;
begin;
\ir ../functions/install.sql
commit;
\echo replaced the functions

\o /dev/null
select pg_advisory_unlock(7205759403792);
\o
