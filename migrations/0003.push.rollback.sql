-- Cascades to functions and views that name these tables: code is reinstalled, data is gone.
set local role parley_owner;
drop table chat.listeners cascade;
drop table chat.outbox cascade;
