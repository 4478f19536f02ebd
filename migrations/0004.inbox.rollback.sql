-- Cascades to functions that name these tables: code is reinstalled, data is gone.
set local role parley_owner;
drop table chat.desk_agents cascade;
drop table chat.redirects cascade;
drop table chat.deliveries cascade;
drop table chat.webhooks cascade;
drop table chat.parked_events cascade;
drop table chat.provider_messages cascade;
drop table chat.threads cascade;
drop table chat.contact_identities cascade;
drop table chat.channels cascade;
drop domain chat.delivery_status;
