-- Domains: what single columns of the tables that are written most may hold.
--
-- PostgreSQL reads the check constraints of a table from text anew for each statement that writes to it, whichever
-- columns it assigns. A session keeps those of a domain, and only assigned columns are checked (bench/README.md).
-- All of these let null pass, as the row variables of functions begin empty: a column that needs a value says not null.
-- To let one more word into a list, in one transaction and another, as the second reads the tables:
--
--   alter domain chat.member_role drop constraint member_role_check;
--   alter domain chat.member_role add constraint member_role_check check (value in (...)) not valid;
--
--   alter domain chat.member_role validate constraint member_role_check;
create domain chat.json_object as jsonb
    constraint json_object_check check (jsonb_typeof(value) = 'object');
create domain chat.amount as integer
    constraint amount_check check (value >= 0);
create domain chat.log_number as bigint
    constraint log_number_check check (value >= 0);
create domain chat.conversation_kind as text
    constraint conversation_kind_check check (value in ('direct', 'group', 'help', 'inbox', 'assistant'));
create domain chat.history_scope as text
    constraint history_scope_check check (value in ('all', 'joined'));
create domain chat.member_role as text
    constraint member_role_check check (value in ('owner', 'admin', 'member', 'contact', 'agent'));
create domain chat.notify_choice as text
    constraint notify_choice_check check (value in ('all', 'mentions', 'none'));
create domain chat.message_source as text
    constraint message_source_check check (value in ('person', 'contact', 'bot', 'automation', 'system'));
create domain chat.message_type as text
    constraint message_type_check check (value ~ '^[a-z][a-z0-9_.-]{0,31}$');
create domain chat.change_kind as text
    constraint change_kind_check check (value in (
        'message_edited', 'message_deleted', 'reaction_added', 'reaction_removed',
        'conversation_updated', 'conversation_closed', 'conversation_reopened'));
create domain chat.delivery_status as text
    constraint delivery_status_check check (value in ('queued', 'sent', 'failed', 'delivered', 'read', 'played'));
create domain chat.run_status as text
    constraint run_status_check check (value in (
        'queued', 'in_progress', 'completed', 'failed', 'cancelled', 'expired'));

comment on domain chat.json_object is 'A JSON object: metadata, and what else is one.';
comment on domain chat.amount is 'How many of something; never less than none.';
comment on domain chat.log_number is 'A number of a conversation''s log, or how many messages it has; 0: before it.';
comment on domain chat.conversation_kind is 'Of conversations.kind: what sort of conversation it is.';
comment on domain chat.history_scope is 'Of conversations.history: what a new member sees of what was said before.';
comment on domain chat.member_role is 'Of members.role: what a member may do.';
comment on domain chat.notify_choice is 'Of members.notify: what to notify about.';
comment on domain chat.message_source is 'Of messages.source: what a message comes from.';
comment on domain chat.message_type is 'Of messages.type: a lower-case word.';
comment on domain chat.change_kind is 'Of changes.kind: what happened.';
comment on domain chat.delivery_status is 'Of deliveries.status: how far a message got.';
comment on domain chat.run_status is 'Of runs.status: what has become of it.';
