-- chat.sdk_item_json: a ChatKit item as OpenAI's SDK reads one: a chatkit.thread_item.
--
-- Takes    p_item: as ChatKit's Store keeps it; p_thread_id, p_created_at: the conversation's and its message's.
-- Returns  the item; null for a type that the SDK does not know.
create or replace function chat.sdk_item_json(p_item jsonb, p_thread_id uuid, p_created_at timestamptz) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
               'id', p_item -> 'id', 'object', 'chatkit.thread_item', 'thread_id', p_thread_id,
               'created_at', chat.unix_time(p_created_at))
           || case p_item ->> 'type'
        when 'user_message' then jsonb_build_object(
            'type', 'chatkit.user_message',
            'content', (
                select coalesce(jsonb_agg(jsonb_build_object('type', q.type, 'text', q.text) order by q.position), '[]')
                  from (select 0::bigint, 'quoted_text', p_item ->> 'quoted_text'
                         where p_item ->> 'quoted_text' is not null
                        union all
                        select p.position,
                               case p.part ->> 'type' when 'quoted_text' then 'quoted_text' else 'input_text' end,
                               case p.part ->> 'type' when 'input_tag' then '@' else '' end || (p.part ->> 'text')
                          from jsonb_array_elements(p_item -> 'content') with ordinality p (part, position))
                       q (position, type, text)),
            'attachments', (
                select coalesce(jsonb_agg(jsonb_build_object(
                           'id', a.attachment -> 'id', 'type', a.attachment -> 'type', 'name', a.attachment -> 'name',
                           'mime_type', a.attachment -> 'mime_type', 'preview_url', a.attachment -> 'preview_url')
                           order by a.position), '[]')
                  from jsonb_array_elements(case jsonb_typeof(p_item -> 'attachments')
                                                when 'array' then p_item -> 'attachments' else '[]' end)
                       with ordinality a (attachment, position)),
            'inference_options', p_item -> 'inference_options')
        when 'assistant_message' then jsonb_build_object(
            'type', 'chatkit.assistant_message',
            'content', (
                select coalesce(jsonb_agg(jsonb_build_object(
                           'type', 'output_text', 'text', p.part -> 'text',
                           'annotations', (
                               select coalesce(jsonb_agg(jsonb_build_object(
                                          'type', n.note #> '{source,type}',
                                          'source', n.note -> 'source') order by n.position), '[]')
                                 from jsonb_array_elements(case jsonb_typeof(p.part -> 'annotations')
                                                               when 'array' then p.part -> 'annotations'
                                                               else '[]' end)
                                      with ordinality n (note, position)
                                where n.note #>> '{source,type}' in ('file', 'url')))
                           order by p.position), '[]')
                  from jsonb_array_elements(p_item -> 'content') with ordinality p (part, position)))
        when 'widget' then jsonb_build_object(
            'type', 'chatkit.widget', 'widget', (p_item -> 'widget')::text)
        when 'client_tool_call' then jsonb_build_object(
            'type', 'chatkit.client_tool_call', 'call_id', p_item -> 'call_id', 'name', p_item -> 'name',
            'arguments', (p_item -> 'arguments')::text,
            'output', nullif(p_item -> 'output', 'null')::text,
            'status', case p_item ->> 'status' when 'completed' then 'completed' else 'in_progress' end)
        when 'task' then
            '{"type": "chatkit.task"}'::jsonb || chat.sdk_task_json(p_item -> 'task', 'task_type')
        when 'workflow' then jsonb_build_object(
            'type', 'chatkit.task_group',
            'tasks', (
                select coalesce(jsonb_agg(chat.sdk_task_json(k.task, 'type') order by k.position), '[]')
                  from jsonb_array_elements(case jsonb_typeof(p_item #> '{workflow,tasks}')
                                                when 'array' then p_item #> '{workflow,tasks}' else '[]' end)
                       with ordinality k (task, position)))
        end
$$;

comment on function chat.sdk_item_json is 'A ChatKit item as OpenAI''s SDK reads one.';
