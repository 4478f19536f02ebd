"""Rows on their way, in a file of their own: grouped by person there, however many they are."""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from thin_api.importing.rows import Conversation, Message, Problem, quoted
from thin_api.importing.threads import Thread, merge

BATCH = 1000  # rows

TABLES = """
pragma journal_mode = off;
pragma synchronous = off;
create table conversations (
    line integer, id text primary key, business_id text, lead_id text, phone text, wa_id text,
    name text, started_at integer, last_message_at integer, last_read_at integer,
    is_closed integer, number text, person text) without rowid;
create table messages (
    line integer, conversation_id text, provider_message_id text, direction text, source text,
    type text, content text, metadata text, status text, is_deleted integer, created_at integer);
create table problems (file text, line integer, problem text);
create table told (thread text);
"""
ADD_CONVERSATION = """
insert or ignore into conversations values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
ADD_MESSAGE = "insert into messages values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
COUNTS = """
select (select count(*) from conversations), (select count(*) from messages),
       (select count(*) from problems)"""
# Who has a lead is the lead. Who has only a number is the lead who used it last, if any did.
PERSONS = """
create index conversations_number on conversations (business_id, number);
create index messages_conversation on messages (conversation_id);
create table owners as
    select business_id, number, person
      from (select business_id, number, 'lead:' || lead_id as person,
                   row_number() over (partition by business_id, number
                       order by coalesce(last_message_at, started_at, 0) desc, id desc) as place
              from conversations
             where lead_id is not null and number is not null)
     where place = 1;
create unique index owners_number on owners (business_id, number);
update conversations
   set person = coalesce('lead:' || lead_id,
                         (select o.person from owners o
                           where o.business_id = conversations.business_id
                             and o.number = conversations.number),
                         'phone:' || number);
create index conversations_person on conversations (business_id, person);
analyze;
"""
THEIR_CONVERSATIONS = """
select line, id, business_id, lead_id, phone, wa_id, name, started_at, last_message_at,
       last_read_at, is_closed
  from conversations
 where business_id = ? and person = ?"""
THEIR_NUMBERS = """
select distinct c.number
  from conversations c
  left join owners o on o.business_id = c.business_id and o.number = c.number
 where c.business_id = ?1 and c.person = ?2 and c.number is not null
   and coalesce(o.person, c.person) = ?2"""
THEIR_MESSAGES = """
select m.*
  from conversations c
  join messages m on m.conversation_id = c.id
 where c.business_id = ? and c.person = ?
 order by m.created_at, m.line"""
ORPHANS = """
insert into problems
select ?, m.line, 'conversation ' || quoted(m.conversation_id) || ' is unknown, or was skipped'
  from messages m
 where m.conversation_id not in (select c.id from conversations c)"""
WITHOUT_ORPHANS = """
delete from messages where conversation_id not in (select c.id from conversations c)"""


class Counts(NamedTuple):
    """How many rows were taken in, and how many were not."""

    conversations: int
    messages: int
    problems: int


class Key(NamedTuple):
    """A person of a business."""

    business_id: str
    person: str


class Staging:
    """One import's rows, and what was wrong with some."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.create_function(quoted.__name__, 1, quoted, deterministic=True)
        self._db.executescript(TABLES)

    def close(self) -> None:
        """Leave the file."""
        self._db.close()

    def add_conversations(self, rows: Iterable[Conversation | Problem], file: str) -> None:
        """Take conversations in; the first of an id counts."""
        self._db.execute("begin")
        for row in rows:
            if isinstance(row, Problem):
                self.add_problem(row)
                continue
            values = (*row, row.phone or row.wa_id, None)
            added = self._db.execute(ADD_CONVERSATION, values)
            if not added.rowcount:
                problem = f"there is an id {quoted(row.id)} already"
                self.add_problem(Problem(file, row.line, problem))
        self._db.execute("commit")

    def add_messages(self, rows: Iterable[Message | Problem], file: str) -> None:
        """Take messages in; those of no conversation are problems. Then it is known who is who."""
        self._db.execute("begin")
        pending = iter(rows)
        while batch := list(islice(pending, BATCH)):
            good = [row for row in batch if isinstance(row, Message)]
            self._db.executemany(ADD_MESSAGE, good)
            for row in batch:
                if isinstance(row, Problem):
                    self.add_problem(row)
        self._db.execute("commit")
        self._db.executescript(PERSONS)
        self._db.execute(ORPHANS, [file])
        self._db.execute(WITHOUT_ORPHANS)

    def add_problem(self, problem: Problem) -> None:
        """Remember what is wrong with a row."""
        self._db.execute("insert into problems values (?, ?, ?)", problem)

    def problems(self) -> Iterator[Problem]:
        """Tell what was wrong, in order of the files."""
        found = self._db.execute("select file, line, problem from problems order by file, line")
        return (Problem(*row) for row in found)

    def add_told(self, thread: str) -> None:
        """Remember what the report says of a thread, as JSON."""
        self._db.execute("insert into told values (?)", [thread])

    def told(self) -> Iterator[str]:
        """Tell it, in the order the threads were imported."""
        return (thread for (thread,) in self._db.execute("select thread from told order by rowid"))

    def count(self) -> Counts:
        """Count what there is."""
        return Counts(*self._db.execute(COUNTS).fetchone())

    def businesses(self) -> list[str]:
        """Name the businesses there are."""
        found = self._db.execute("select distinct business_id from conversations order by 1")
        return [business_id for (business_id,) in found]

    def keys(self) -> list[Key]:
        """Name every person."""
        found = self._db.execute(
            "select distinct business_id, person from conversations order by 1, 2"
        )
        return [Key(*row) for row in found]

    def thread(self, key: Key) -> Thread:
        """Merge a person's conversations."""
        conversations = self._db.execute(THEIR_CONVERSATIONS, key).fetchall()
        return merge(
            key.person,
            [Conversation(*row) for row in conversations],
            [number for (number,) in self._db.execute(THEIR_NUMBERS, key)],
            (Message(*row) for row in self._db.execute(THEIR_MESSAGES, key)),
        )
