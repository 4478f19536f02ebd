-- The two schemas. api is the surface, chat is everything behind it.
create schema if not exists chat authorization parley_owner;
create schema if not exists api authorization parley_owner;

comment on schema chat is 'Parley: tables and private helpers. Only api functions and operators reach it.';
comment on schema api is 'Parley: the functions callers use. See api.error_codes for what they may answer.';
