-- chat.unread_count: chat.unread as a plain value, for one member at a time.
create or replace function chat.unread_count(p_conversation chat.conversations, p_member chat.members) returns bigint
language sql stable
as $$ select u.unread from chat.unread(p_conversation, p_member) u (unread) $$;

comment on function chat.unread_count is 'How many messages one member has not read.';
