-- chat.skip_frame: stands for a log number its reader may not see, so that continuity can be checked.
create or replace function chat.skip_frame(p_conversation_id uuid, p_seq bigint) returns jsonb
language sql stable
as $$
    select jsonb_build_object('type', 'skip', 'conversation_id', p_conversation_id, 'seq', p_seq)
$$;

comment on function chat.skip_frame is 'The event that stands for a number its reader may not see.';
