-- chat.sdk_task_json: a task of ChatKit's as OpenAI's SDK reads one: it knows thoughts and custom ones.
--
-- Takes    p_type_key: what the SDK calls its type: task_type, or type within a group.
create or replace function chat.sdk_task_json(p_task jsonb, p_type_key text) returns jsonb
language sql immutable
as $$
    select jsonb_build_object(
        p_type_key, case p_task ->> 'type' when 'thought' then 'thought' else 'custom' end,
        'heading', p_task -> 'title',
        'summary', p_task -> 'content')
$$;

comment on function chat.sdk_task_json is 'A task of ChatKit''s as OpenAI''s SDK reads one.';
