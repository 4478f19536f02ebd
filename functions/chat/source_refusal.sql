-- chat.source_refusal: checks what a sender says a message comes from.
--
-- Takes    p_source: person | bot | automation; null: the sender's own kind; p_kind: the sender's kind.
-- Returns  null, or the refusal. Who bears a token says what they are (a bot also that it is an automation); a
--          service that acts for nobody may say any of the three.
-- Fails    validation_error, permission_denied
create or replace function chat.source_refusal(p_source text, p_kind text) returns jsonb
language plpgsql volatile
as $$
begin
    if p_source not in ('person', 'bot', 'automation') then
        return chat.invalid('source', 'must be person, bot or automation');
    end if;
    if p_source <> p_kind and not (p_kind = 'bot' and p_source = 'automation') and not chat.is_service() then
        return chat.fail('permission_denied', 'a message comes from who sends it');
    end if;
    return null;
end
$$;

comment on function chat.source_refusal is 'Null, or why a message cannot be said to come from there.';
