-- chat.message_frame: the event that tells of a message. A system message about members is told as what
-- it is about: member_added, member_removed (also when someone left) or role_changed; one about a contact as a
-- message.
--
-- Takes    p_message: the message's JSON.
-- Cost     stable, as jsonb_build_object is: an immutable function around it could not be put in its caller's place.
create or replace function chat.message_frame(p_message jsonb) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
               'type', case when p_message ->> 'type' <> 'system' then 'message_created'
                            when p_message #> '{metadata,user_ids}' is null then 'message_created'
                            when p_message #>> '{metadata,event}' = 'member_left' then 'member_removed'
                            else p_message #>> '{metadata,event}' end,
               'conversation_id', p_message -> 'conversation_id',
               'seq', p_message -> 'seq',
               'message', p_message)
           || case when p_message ->> 'type' <> 'system' or p_message #> '{metadata,user_ids}' is null then '{}'
                   else jsonb_build_object('user_ids', p_message #> '{metadata,user_ids}') end
$$;

comment on function chat.message_frame is 'The event that tells of a message.';
