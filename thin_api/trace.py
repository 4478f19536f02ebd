"""What became of one message: told from the database and from the servers' logs, in time order."""

import argparse
import contextlib
import datetime
import sys
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import psycopg
from psycopg import errors

Connection = psycopg.Connection[Any]

OPERATOR = "parley_operator"
SHORTENED = 60  # characters
LONGEST_VALUE = 200  # characters, of what a line of a log says
LISTED = 100  # people, of those who received it and of those who did not
ABOUT_LINE = {"time", "event", "level", "message_id", "conversation_id"}

MESSAGE = """
select m.*, s.display_name as sender_name, c.kind, c.title
  from chat.conversations c
  left join chat.messages m on m.conversation_id = c.conversation_id and m.id = %(message_id)s
  left join chat.users s on s.user_id = m.sender_id
 where c.conversation_id = %(conversation_id)s"""
CHANGES = """
select ch.*, u.display_name as actor_name
  from chat.changes ch
  left join chat.users u on u.user_id = ch.actor_id
 where ch.conversation_id = %(conversation_id)s and ch.message_id = %(message_id)s
 order by ch.seq"""
EXCLUDED = """
select u.user_id, u.display_name
  from chat.exclusions e
  join chat.users u on u.user_id = e.user_id
 where e.conversation_id = %(conversation_id)s and e.seq = %(seq)s
 order by u.display_name, u.user_id"""
MEMBERS = """
select s.status, s.delivered_at, s.read_at, u.user_id, u.display_name
  from api.message_status s
  join chat.users u on u.user_id = s.user_id
 where s.conversation_id = %(conversation_id)s and s.seq = %(seq)s
 order by coalesce(s.read_at, s.delivered_at), u.display_name, u.user_id"""
EVENTS = """
select o.xid::text as xid, o.position, o.created_at,
       o.event::jsonb ->> 'type' as type, o.event::jsonb ->> 'seq' as seq,
       array(select l.lock_key || case when pg_visible_in_snapshot(o.xid, l.snapshot)
                                       then ' has confirmed it' else ' has not confirmed it' end
               from chat.listeners l
              order by l.lock_key) as listeners
  from chat.outbox o
 where o.conversation_id = %(conversation_id)s
   and o.event::jsonb #>> '{message,id}' = %(message_id)s::text
 order by o.position"""
REACTIONS = """
select r.emoji, count(*) as times
  from chat.reactions r
 where r.conversation_id = %(conversation_id)s and r.message_id = %(message_id)s
 group by r.emoji
 order by min(r.seq)"""


class TraceError(RuntimeError):
    """There is nothing to tell; the message says why."""


class Moment(NamedTuple):
    """Something that happened, and when; lines of a log may not say."""

    time: datetime.datetime | None
    told: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `parley trace` takes."""
    parser.add_argument("conversation_id", type=uuid.UUID, metavar="CONVERSATION_ID")
    parser.add_argument("message_id", type=uuid.UUID, metavar="MESSAGE_ID")
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="FILE",
        help="a server's log, to be merged in (- is standard input); as often as you like",
    )


def tell(
    connection: Connection,
    conversation_id: uuid.UUID,
    message_id: uuid.UUID,
    logs: Sequence[str] = (),
) -> Iterator[str]:
    """Tell a message's story, line by line: what happened in order of time, then how it stands."""
    about = {"conversation_id": conversation_id, "message_id": message_id}
    with _one_view(connection):
        message = connection.execute(MESSAGE, about).fetchone()
        if message is None:
            raise TraceError(f"there is no conversation {conversation_id}")
        if message.id is None:
            raise TraceError(
                f"there is no message {message_id} in conversation {conversation_id}"
                " (a purge takes messages for good)"
            )
        about["seq"] = message.seq
        changes = connection.execute(CHANGES, about).fetchall()
        excluded = connection.execute(EXCLUDED, about).fetchall()
        members = connection.execute(MEMBERS, about).fetchall()
        events = connection.execute(EVENTS, about).fetchall()
        reactions = connection.execute(REACTIONS, about).fetchall()

    title = f" {shown(message.title)}" if message.title else ""
    yield f"message {message_id} in {message.kind} conversation {conversation_id}{title}"
    yield ""
    numbers = {message.seq, *(change.seq for change in changes)}
    moments = [
        _sent(message),
        *map(_changed, changes),
        *map(_published, events),
        *_received(members),
        *_logged(logs, str(conversation_id), str(message_id), numbers),
    ]
    for moment in sorted(moments, key=lambda one: _sortable(one.time)):
        yield f"{_clock(moment.time)}  {moment.told}"
    yield ""
    yield _now(message)
    if reactions:
        yield "reactions: " + ", ".join(f"{shown(one.emoji)} x {one.times}" for one in reactions)
    if excluded:
        yield "not for (had blocked the sender): " + _names(excluded)
    for status, meaning in (
        ("read", "read by"),
        ("delivered", "delivered, not read, to"),
        ("sent", "not delivered to"),
    ):
        if people := [one for one in members if one.status == status]:
            yield f"{meaning} {len(people)}: {_names(people)}"
    if not events:
        yield "no event of it is in the outbox any more"


def shown(text: str) -> str:
    """Quote a text for a terminal, shortened."""
    if len(text) <= SHORTENED:
        return f'"{safe(text)}"'
    return f'"{safe(text[:SHORTENED])}…" ({len(text)} characters)'


def safe(text: str) -> str:
    """Write a text with nothing in it that a terminal acts on or that looks like something else."""
    return "".join(one if one.isprintable() and one not in '"\\' else _escaped(one) for one in text)


def _escaped(one: str) -> str:
    return "\\" + one if one in '"\\' else one.encode("unicode_escape").decode()


@contextlib.contextmanager
def _one_view(connection: Connection) -> Iterator[None]:
    """Look at everything at one moment, as the role that may look, if we have it."""
    row = connection.execute(
        "select pg_has_role(oid, 'member') from pg_roles where rolname = %s", [OPERATOR]
    ).fetchone()
    try:
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read")
            if row and row[0]:
                connection.execute(f"set local role {OPERATOR}")
            yield
    except errors.InsufficientPrivilege as error:
        raise TraceError(
            f"{connection.info.user} may not look at messages: grant {OPERATOR} to"
            f" {connection.info.user}"
        ) from error


def _sent(message: Any) -> Moment:
    who = _who(message.sender_id, message.sender_name) if message.sender_id else "the system"
    details = [f"{message.source}, {message.type}"]
    if message.client_message_id is not None:
        details.append(f"client_message_id {shown(message.client_message_id)}")
    if message.reply_to_id:
        details.append(f"in reply to {message.reply_to_id}")
    return Moment(message.created_at, f"sent as {message.seq} by {who}: {'; '.join(details)}")


def _changed(change: Any) -> Moment:
    who = _who(change.actor_id, change.actor_name) if change.actor_id else "nobody known any more"
    told = f"{change.kind} as {change.seq} by {who}"
    if emoji := change.data.get("emoji"):
        told += f": {shown(emoji)}"
    if change.previous_content is not None:
        told += f"; it was {shown(change.previous_content)}"
    return Moment(change.created_at, told)


def _published(event: Any) -> Moment:
    told = f"outbox: {event.type} {event.seq}, xid {event.xid}, position {event.position}"
    listeners = "; ".join(f"listener {one}" for one in event.listeners) or "nobody listens"
    return Moment(event.created_at, f"{told}: {listeners}")


def _received(members: Iterable[Any]) -> Iterator[Moment]:
    reached = [one for one in members if one.delivered_at]
    for one in reached[:LISTED]:
        who = _who(one.user_id, one.display_name)
        if one.delivered_at != one.read_at:
            yield Moment(one.delivered_at, f"delivered to {who}")
        if one.read_at:
            yield Moment(one.read_at, f"read by {who}")
    if len(reached) > LISTED:
        last = reached[LISTED]
        more = f"delivered to or read by {len(reached) - LISTED} more from here on"
        yield Moment(last.read_at or last.delivered_at, more)


def _logged(
    logs: Sequence[str], conversation_id: str, message_id: str, numbers: Collection[int]
) -> Iterator[Moment]:
    """Read logs for lines about the message: by its id, or by a number in the conversation."""
    for name in logs:
        with contextlib.ExitStack() as stack:
            lines = sys.stdin.buffer if name == "-" else stack.enter_context(Path(name).open("rb"))
            for line in lines:
                try:
                    entry = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue  # what a console or another program wrote in between
                if isinstance(entry, dict) and (
                    entry.get("message_id") == message_id
                    or (
                        entry.get("conversation_id") == conversation_id
                        and entry.get("seq") in numbers
                    )
                ):
                    yield Moment(_time(entry.get("time")), _entry(entry))


def _entry(entry: dict[str, Any]) -> str:
    """Tell what a line of a log says."""
    values = {
        name: value if isinstance(value, int | float) else safe(str(value)[:LONGEST_VALUE])
        for name, value in entry.items()
        if value is not None
    }
    match entry.get("event"):
        case "request":
            told = "{method} {route} answered {status} in {ms} ms, request {request_id}"
            known = {"method", "route", "status", "ms", "request_id"}
        case "event":
            told = "{type} {seq} handed to {sockets} sockets, {ms} ms after it was written"
            known = {"type", "seq", "sockets", "ms"}
        case _:
            told, known = "{event}", {"event"}
    if not known <= values.keys():
        told, known = "{event}", {"event"}
    rest = [
        f"{safe(name)}={value}" for name, value in values.items() if name not in known | ABOUT_LINE
    ]
    return " ".join(["log:", told.format(**{"event": "?", **values}), *rest])


def _now(message: Any) -> str:
    if message.deleted_at:
        return f"now: deleted at {_clock(message.deleted_at)}"
    text = "without text" if message.content is None else shown(message.content)
    return f"now: {text}" + (
        f", edited at {_clock(message.edited_at)}" if message.edited_at else ""
    )


def _names(people: Sequence[Any]) -> str:
    named = ", ".join(_who(one.user_id, one.display_name) for one in people[:LISTED])
    more = len(people) - LISTED
    return named + (f" and {more} more" if more > 0 else "")


def _who(user_id: uuid.UUID, name: str) -> str:
    return f"{safe(name)} ({user_id})"


def _time(text: Any) -> datetime.datetime | None:
    try:
        time = datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)


def _sortable(time: datetime.datetime | None) -> datetime.datetime:
    return time or datetime.datetime.max.replace(tzinfo=datetime.UTC)


def _clock(time: datetime.datetime | None) -> str:
    if time is None:
        return "at a time unknown      "
    at = time.astimezone(datetime.UTC).replace(tzinfo=None)
    return at.isoformat(" ", timespec="milliseconds")
