"""People, groups and messages by the million: set by set, in the state the functions would leave.

Ids are numbers written as uuids, so that a script can compute one from a random number.
"""

from typing import Any

import psycopg
from psycopg import sql
from tqdm import tqdm

Connection = psycopg.Connection[tuple[Any, ...]]

TENANT = "00000000-0000-0000-0000-000000000000"
PERSON = "00000000-0000-4000-8000-"
GROUP = "00000000-0000-4000-9000-"
IDS = {"tenant": TENANT, "person": PERSON, "group": GROUP}
AT_ONCE = 200_000  # messages in one statement

PEOPLE_ROWS = """
insert into chat.users (user_id, tenant_id, display_name)
select (%(person)s || lpad(n::text, 12, '0'))::uuid, %(tenant)s, 'Person ' || n
  from generate_series(1, %(people)s::int) n
"""
GROUP_ROWS = """
insert into chat.conversations (conversation_id, tenant_id, kind, title, created_by, member_count)
select (%(group)s || lpad(g::text, 12, '0'))::uuid, %(tenant)s, 'group', 'Group ' || g,
       (%(person)s || lpad(((g - 1) %% %(people)s + 1)::text, 12, '0'))::uuid, %(size)s
  from generate_series(%(first)s::int, %(last)s::int) g
"""
MEMBER_ROWS = """
insert into chat.members
       (conversation_id, user_id, tenant_id, role, joined_seq, delivered_seq, read_seq)
select (%(group)s || lpad(g::text, 12, '0'))::uuid,
       (%(person)s || lpad(((g + k - 1) %% %(people)s + 1)::text, 12, '0'))::uuid,
       %(tenant)s, case k when 0 then 'owner' else 'member' end, 0, 0, 0
  from generate_series(%(first)s::int, %(last)s::int) g, generate_series(0, %(size)s::int - 1) k
"""
MESSAGE_ROWS = """
insert into chat.messages
       (conversation_id, seq, id, sender_id, source, type, content, ordinal, created_at)
select (%(group)s || lpad(g::text, 12, '0'))::uuid, s, uuidv7(),
       (%(person)s || lpad(((g + s %% %(size)s - 1) %% %(people)s + 1)::text, 12, '0'))::uuid,
       'person', 'text', 'Message ' || s || ', about as long as most messages in a chat are.',
       s, timestamptz '2026-01-01' + s * interval '1 second'
  from generate_series(%(first)s::int, %(last)s::int) g, generate_series(1, %(each)s::int) s
"""
CONVERSATION_COUNTS = """
update chat.conversations c
   set last_seq = s.count, message_count = s.count, last_message_at = s.latest
  from (select t.conversation_id, count(*), max(t.created_at) as latest
          from chat.messages t
         group by 1) s
 where s.conversation_id = c.conversation_id
"""
MEMBER_COUNTS = """
update chat.members m
   set sent_count = s.count
  from (select t.conversation_id, t.sender_id, count(*) from chat.messages t group by 1, 2) s
 where s.conversation_id = m.conversation_id and s.sender_id = m.user_id
"""
PLAIN_INDEXES = """
select i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
  from pg_index i
 where i.indrelid = 'chat.messages'::regclass
   and not exists (select from pg_constraint c where c.conindid = i.indexrelid)
"""


def person(number: int) -> str:
    """Return the id of a person."""
    return f"{PERSON}{number:012}"


def group(number: int) -> str:
    """Return the id of a group."""
    return f"{GROUP}{number:012}"


def add_people(connection: Connection, count: int) -> None:
    """Add people 1 to count."""
    connection.execute(PEOPLE_ROWS, {**IDS, "people": count})


def add_groups(connection: Connection, first: int, last: int, *, size: int, people: int) -> None:
    """Add groups; the members of group g are the people from number g on, around the circle."""
    values = {**IDS, "first": first, "last": last, "size": size, "people": people}
    connection.execute(GROUP_ROWS, values)
    connection.execute(MEMBER_ROWS, values)


def add_messages(
    connection: Connection, groups: int, *, each: int, size: int, people: int, without: str = ""
) -> None:
    """Fill empty groups with messages of their members in turn, without the index named.

    Foreign keys are not checked, and plain indexes come after the rows: minutes instead of hours.
    """
    indexes = connection.execute(PLAIN_INDEXES).fetchall()
    connection.execute("set session_replication_role = replica")
    for name, _ in indexes:
        connection.execute(sql.SQL("drop index {}").format(sql.Identifier(*name.split("."))))
    step = max(1, AT_ONCE // each)
    with tqdm(
        total=groups * each, desc="messages", unit_scale=True, leave=False, disable=None
    ) as progress:
        for first in range(1, groups + 1, step):
            last = min(first + step - 1, groups)
            connection.execute(
                MESSAGE_ROWS,
                {**IDS, "first": first, "last": last, "each": each, "size": size, "people": people},
            )
            progress.update((last - first + 1) * each)
    connection.execute(CONVERSATION_COUNTS)
    connection.execute(MEMBER_COUNTS)
    connection.execute("reset session_replication_role")
    for name, definition in indexes:
        if name != without:
            connection.execute(definition.encode())
