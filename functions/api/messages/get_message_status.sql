-- api.get_message_status: how far one message has got with each member: for "who has read this".
--
-- Takes    p_message_id: a message the actor may see.
-- Returns  message_id, seq, members: [{user_id, display_name, status: sent | delivered | read, delivered_at,
--          read_at}], by name. Not the sender, nor who was not to see it. In an inbox, of what was sent to the contact:
--          one entry with the delivery's own status and times.
-- Fails    validation_error, unauthenticated, permission_denied, not_found, not_a_member
create or replace function api.get_message_status(
    p_conversation_id uuid,
    p_actor_id        uuid default null,
    p_message_id      uuid default null
) returns jsonb
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_reader  record;
    v_seq     bigint;
    v_members jsonb;
begin
    if p_message_id is null then
        return chat.invalid('message_id', 'is missing');
    end if;
    v_reader := chat.reader(p_conversation_id, p_actor_id);
    if v_reader.refusal is not null then
        return v_reader.refusal;
    end if;
    select m.seq into v_seq
      from chat.messages m
     where m.conversation_id = v_reader.conversation_id and m.id = p_message_id and m.seq >= v_reader.visible_from
       and not exists (select from chat.exclusions e
                        where e.conversation_id = m.conversation_id and e.user_id = v_reader.user_id and e.seq = m.seq);
    if not found then
        return chat.fail('not_found', 'there is no such message');
    end if;

    select coalesce(jsonb_agg(jsonb_build_object(
               'user_id', s.user_id, 'display_name', u.display_name, 'status', s.status,
               'delivered_at', s.delivered_at, 'read_at', s.read_at) order by u.display_name, s.user_id), '[]')
      into v_members
      from api.message_status s
      join chat.users u on u.user_id = s.user_id
     where s.conversation_id = v_reader.conversation_id and s.seq = v_seq;
    if v_reader.kind = 'inbox' then
        select coalesce(jsonb_agg(chat.delivery_json(d) || jsonb_build_object(
                   'user_id', u.user_id, 'display_name', u.display_name)), '[]')
          into v_members
          from chat.deliveries d
          join chat.threads t on t.conversation_id = d.conversation_id
          join chat.users u on u.user_id = t.contact_id
         where d.conversation_id = v_reader.conversation_id and d.message_id = p_message_id;
    end if;
    return chat.ok(jsonb_build_object('message_id', p_message_id, 'seq', v_seq, 'members', v_members));
end
$$;

comment on function api.get_message_status is
    'How far one message has got with each member: sent, delivered or read, and when.';
