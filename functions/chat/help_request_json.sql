-- chat.help_request_json: the results about a help request: help_request_id and help_request.
create or replace function chat.help_request_json(p_request chat.help_requests) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'help_request_id', p_request.help_request_id,
        'help_request', jsonb_build_object(
            'help_request_id', p_request.help_request_id,
            'owner_id', p_request.owner_id,
            'title', p_request.title,
            'metadata', p_request.metadata,
            'created_at', p_request.created_at,
            'closed_at', p_request.closed_at))
$$;

comment on function chat.help_request_json is 'A help request as callers see it.';
