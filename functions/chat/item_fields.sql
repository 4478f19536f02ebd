-- chat.item_fields: what the message that stands for a ChatKit item is made of.
--
-- Takes    p_item: checked by chat.item_refusal.
-- Returns  by_user: said by the thread's user, all else by the assistant; is_hidden: the user is not to see it; type
--          and content of the message. A user's text with tags in it is put together as it was typed.
create or replace function chat.item_fields(
    p_item        jsonb,
    out by_user   boolean,
    out is_hidden boolean,
    out type      text,
    out content   text
)
language sql immutable
as $$
    select i.type = 'user_message',
           i.type in ('hidden_context_item', 'sdk_hidden_context'),
           case when i.type in ('user_message', 'assistant_message') then 'text' else i.type end,
           case when i.type in ('user_message', 'assistant_message') then coalesce((
               select string_agg(case p.part ->> 'type' when 'input_tag' then '@' else '' end || (p.part ->> 'text'),
                                 case when p_item -> 'content' @> '[{"type": "input_tag"}]' then '' else e'\n' end
                                 order by p.position)
                 from jsonb_array_elements(p_item -> 'content') with ordinality p (part, position)
                where p.part ->> 'type' in ('input_text', 'input_tag', 'quoted_text', 'output_text')), '') end
      from (select p_item ->> 'type') i (type)
$$;

comment on function chat.item_fields is 'What the message that stands for a ChatKit item is made of.';
