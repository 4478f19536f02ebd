-- Cascades to functions and views that name these tables: code is reinstalled, data is gone.
set local role parley_owner;
drop table chat.feature_flags cascade;
drop table chat.help_requests cascade;
drop table chat.blocks cascade;
drop table chat.users cascade;
drop table chat.tenants cascade;
drop table chat.limits cascade;
drop domain chat.json_object;
drop schema api cascade;
drop schema chat cascade;
