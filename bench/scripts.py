"""The SQL that pgbench runs."""

from bench.data import GROUP, PERSON
from bench.harness import GROUPS, SIZE

CONTENT = "'Shall we meet at the canal at one?'"


def in_groups(statement: str, groups: int = GROUPS, first: int = 1, members: int = SIZE) -> str:
    """Choose a group and a member at random; :group and :person are uuids, :key a text.

    pgbench knows numbers only; writing them as uuids costs every script the same microsecond.
    """
    group = f"('{GROUP}' || lpad(:g, 12, '0'))::uuid"
    person = f"('{PERSON}' || lpad(:p, 12, '0'))::uuid"
    return f"""
\\set g random({first}, {first + groups - 1})
\\set p :g + random(0, {members - 1})
\\set k random(1, 1000000000000000000)
{statement.replace(":group", group).replace(":person", person).replace(":key", ":k::text")}
"""


SEND = f"""
select api.send_message_atomic(p_conversation_id => :group, p_actor_id => :person,
                               p_content => {CONTENT}, p_client_message_id => :key);
"""

# What the send function writes of conversation and message, by nobody in particular and unchecked:
# no member's row locked or counted, nothing published, nothing returned.
FLOOR = f"""
with conversation as (
    update chat.conversations c
       set last_seq = c.last_seq + 1, message_count = c.message_count + 1,
           last_message_at = greatest(clock_timestamp(), c.last_message_at)
     where c.conversation_id = :group and c.closed_at is null
    returning c.conversation_id, c.last_seq, c.message_count, c.last_message_at)
insert into chat.messages (conversation_id, seq, id, sender_id, source, type, content,
                           client_message_id, ordinal, created_at)
select c.conversation_id, c.last_seq, uuidv7(), :person, 'person', 'text', {CONTENT},
       :key, c.message_count, c.last_message_at
  from conversation c;
"""

# Words as rare as those of a real log: two of about 10,000 each time, beside eight that repeat.
SEND_WORDS = f"""
\\set one random(1, 10000)
\\set other random(1, 10000)
select api.send_message_atomic(p_conversation_id => :group, p_actor_id => :person,
                               p_content => {CONTENT} || ' w' || :one || ' w' || :other,
                               p_client_message_id => :key);
"""

HISTORY = "select api.list_messages(p_conversation_id => :group, p_actor_id => :person);"
PLAIN_HISTORY = """
select m.*
  from chat.messages m
 where m.conversation_id = :group
 order by m.seq desc
 limit 50;
"""
LIST = "select api.list_conversations(p_actor_id => :person, p_limit => 100);"

# chat.publish with another body, whatever its arguments are; p_event is the event as text.
PUBLISHING = """
do $do$
begin
    execute format(
        'create or replace function chat.publish(%s) returns bigint language plpgsql as %L',
        pg_get_function_arguments('chat.publish'::regproc), $body$ {body} $body$);
end
$do$
"""
SILENT = PUBLISHING.format(body="begin return null; end")
NOTIFYING = PUBLISHING.format(
    body="begin perform pg_notify('events', left(p_event, 7999)); return null; end"
)
