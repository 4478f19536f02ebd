-- Cascades to functions and views that name these tables: code is reinstalled, data is gone.
set local role parley_owner;
drop table chat.receipts cascade;
drop table chat.exclusions cascade;
drop table chat.reactions cascade;
drop table chat.changes cascade;
drop table chat.messages cascade;
drop table chat.members cascade;
drop table chat.conversations cascade;
drop domain chat.change_kind;
drop domain chat.message_type;
drop domain chat.message_source;
drop domain chat.notify_choice;
drop domain chat.member_role;
drop domain chat.history_scope;
drop domain chat.conversation_kind;
drop domain chat.log_number;
drop domain chat.amount;
