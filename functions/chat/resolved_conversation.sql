-- chat.resolved_conversation: what a conversation's id leads to now: itself, or what it was merged into.
create or replace function chat.resolved_conversation(p_conversation_id uuid) returns uuid
language sql stable
as $$
    select coalesce((select r.new_id
                       from chat.redirects r
                      where r.old_id = p_conversation_id and r.kind = 'conversation'), p_conversation_id)
$$;

comment on function chat.resolved_conversation is 'A conversation''s id, or that of what it was merged into.';
