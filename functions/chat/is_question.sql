-- chat.is_question: whether a message asks for an answer of the responder: a contact's, with words, still there.
--
-- Why      Without words there is nothing a bot could answer: a picture waits for what is said about it, or for a
--          person. Of a group a contact's thread shows one side only: that is for people.
create or replace function chat.is_question(p_message chat.messages) returns boolean
language sql immutable
as $$
    select p_message.source = 'contact' and p_message.deleted_at is null and p_message.type <> 'unsupported'
           and btrim(coalesce(p_message.content, '')) <> '' and not p_message.metadata ? 'group_id'
$$;

comment on function chat.is_question is 'Whether a message asks for an answer of the responder.';
