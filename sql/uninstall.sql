-- Removes Parley and everything it stored from this database:
--
--   psql -v ON_ERROR_STOP=1 -f sql/uninstall.sql "$DATABASE_URL"
--
-- The roles stay: other databases of the cluster may use them. Where none does:
--   drop role parley_owner, parley_api, parley_user, parley_operator;
begin;
set local role parley_owner;
drop schema if exists api cascade;
drop schema if exists chat cascade;
drop schema if exists parley_migrations cascade;
commit;
