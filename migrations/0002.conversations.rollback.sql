-- Cascades to functions and views that name these tables: code is reinstalled, data is gone.
set local role parley_owner;
drop table chat.receipts cascade;
drop table chat.exclusions cascade;
drop table chat.reactions cascade;
drop table chat.changes cascade;
drop table chat.messages cascade;
drop table chat.members cascade;
drop table chat.conversations cascade;
