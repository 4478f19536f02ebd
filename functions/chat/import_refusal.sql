-- chat.import_refusal: checks a thread that is to be imported, all of it before anything is written.
--
-- Takes    p_thread: as api.import_thread_atomic.
-- Returns  null, or the refusal; where messages are wrong, details.items has the place (from 0) and problem of each.
-- Fails    validation_error
create or replace function chat.import_refusal(p_thread jsonb) returns jsonb
language plpgsql volatile
as $$
declare
    v_limits chat.limits;
    v_wrong  jsonb;
begin
    if jsonb_typeof(p_thread) is distinct from 'object' then
        return chat.invalid('thread', 'must be an object');
    end if;
    if jsonb_typeof(p_thread -> 'identities') is distinct from 'array' or p_thread -> 'identities' = '[]' then
        return chat.invalid('thread', 'needs identities');
    end if;
    if jsonb_typeof(p_thread -> 'messages') is distinct from 'array' then
        return chat.invalid('thread', 'needs messages, be it none');
    end if;
    select l.* into v_limits from chat.limits l;
    if exists (select
                 from jsonb_array_elements(p_thread -> 'identities') i (identity)
                where i.identity ->> 'kind' not in ('lead', 'phone', 'wa_id', 'bsuid', 'parent_bsuid')
                   or length(i.identity ->> 'value') not between 1 and v_limits.key_characters
                   or i.identity ->> 'kind' = 'phone' and i.identity ->> 'value' !~ '^\+[1-9][0-9]{4,14}$'
                   or i.identity ->> 'kind' is null or i.identity ->> 'value' is null) then
        return chat.invalid('thread', 'has an identity of an unknown kind or form');
    end if;

    select jsonb_agg(jsonb_build_object('item', w.item, 'problem', w.problem) order by w.item) into v_wrong
      from (select m.position - 1 as item,
                   case
                   when jsonb_typeof(m.message) <> 'object' then 'is no object'
                   when length(m.id) not between 1 and v_limits.key_characters
                       then 'has a provider_message_id that is empty or too long'
                   when m.source is null or m.source not in ('contact', 'person', 'bot', 'automation')
                       then 'has an unknown source'
                   when m.type is null or m.type !~ '^[a-z][a-z0-9_.-]{0,31}$' or m.type = 'system'
                       then 'has an unknown type'
                   when length(m.content) > v_limits.content_characters then 'has a content that is too long'
                   when m.type = 'text' and m.content is null and not m.is_deleted then 'is a text without content'
                   when jsonb_typeof(m.message -> 'metadata') not in ('object', 'null')
                       then 'has metadata that is no object'
                   when m.message ->> 'created_at' is null then 'has no created_at'
                   when (m.message ->> 'status' is null) <> (m.source = 'contact')
                        or m.message ->> 'status' not in ('sent', 'failed', 'delivered', 'read', 'played')
                       then 'has an unknown status'
                   when jsonb_typeof(m.message -> 'error') not in ('object', 'null')
                       then 'has an error that is no object'
                   end as problem
              from (select e.position, e.message, e.message ->> 'provider_message_id' as id,
                           e.message ->> 'source' as source, e.message ->> 'type' as type,
                           e.message ->> 'content' as content,
                           coalesce(e.message -> 'is_deleted' = 'true', false) as is_deleted
                      from jsonb_array_elements(p_thread -> 'messages') with ordinality e (message, position)) m) w
     where w.problem is not null;
    if v_wrong is not null then
        return chat.fail('validation_error', 'some messages cannot be imported',
                         jsonb_build_object('field', 'thread', 'items', v_wrong));
    end if;
    return null;
end
$$;

comment on function chat.import_refusal is 'Null, or why a thread cannot be imported.';
