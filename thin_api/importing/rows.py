"""Rows of the older inbox: read from CSV, checked one by one, in the words of this one."""

import csv
import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import orjson

from thin_api.providers import phones

SURROGATE = re.compile("[\ud800-\udfff]")  # what stands for a byte that could not be decoded
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
LONGEST_FIELD = 2**20  # characters: where a missing quote has swallowed more, its row ends
FORESIGHT = datetime.timedelta(days=1)  # how far clocks may be ahead of ours

DIRECTIONS = {"in", "out"}
SOURCES = {
    "in": {"": "contact", "customer": "contact"},
    "out": {"": "person", "human": "person", "bot": "bot", "automation": "automation"},
}
# From worst to best: of two copies of a message the one that got further is right. What the older
# inbox never sent will not be sent by this one either.
STATUSES = ("sent", "failed", "delivered", "read", "played")
SENT = {
    "": "sent",
    "accepted": "sent",
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "played",
    "failed": "failed",
    "undelivered": "failed",
    "error": "failed",
    "queued": "unsent",
    "pending": "unsent",
    "sending": "unsent",
}
CLOSED = {"closed", "archived", "resolved", "done"}
TYPES = {
    "": "text",
    "chat": "text",
    "voice": "audio",
    "ptt": "audio",
    "file": "document",
    "contact": "contacts",
    "vcard": "contacts",
}
KNOWN = {
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "order",
    "interactive",
    "button",
    "call",
    "template",
}

Row = Mapping[str, str]
Read = TypeVar("Read")


class ImportingError(RuntimeError):
    """Nothing can be imported; the message says why."""


class RowError(ValueError):
    """A row is wrong; the message says what is."""


class Problem(NamedTuple):
    """What was skipped, and why."""

    file: str
    line: int
    problem: str


class Conversation(NamedTuple):
    """A conversation of the older inbox; times are microseconds since 1970."""

    line: int
    id: str
    business_id: str
    lead_id: str | None
    phone: str | None
    wa_id: str | None
    name: str | None
    started_at: int | None
    last_message_at: int | None
    last_read_at: int | None
    is_closed: bool


class Message(NamedTuple):
    """A message of the older inbox."""

    line: int
    conversation_id: str
    provider_message_id: str | None
    direction: str
    source: str
    type: str
    content: str | None
    metadata: str
    status: str | None
    is_deleted: bool
    created_at: int


def read(
    lines: Iterable[str],
    name: str,
    required: Iterable[str],
    parse: Callable[[int, Row], Read],
) -> Iterator[Read | Problem]:
    """Read rows under a heading; one that cannot be used comes as a problem, and others go on."""
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(lines, strict=True)
    try:
        heading = [column.strip().lower() for column in next(reader, [])]
    except csv.Error as error:
        raise ImportingError(f"{name}: the heading is no CSV: {error}") from error
    if missing := [column for column in required if column not in heading]:
        raise ImportingError(f"{name} has no column {', '.join(missing)}")
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
            if fields:
                yield parse(line, _row(heading, fields))
        except StopIteration:
            return
        except (csv.Error, RowError) as error:
            yield Problem(name, line, str(error))


def conversation(line: int, row: Row, region: str | None = None) -> Conversation:
    """Check a row of conversations."""
    lead_id = row.get("lead_id") or None
    phone, wa_id = _number(row.get("phone", ""), region)
    if not (lead_id or phone or wa_id):
        raise RowError("has neither lead_id nor phone")
    return Conversation(
        line,
        _given(row, "id"),
        _given(row, "business_id"),
        lead_id,
        phone,
        wa_id,
        row.get("name") or None,
        _time(row, "started_at"),
        _time(row, "last_message_at"),
        _time(row, "last_read_at"),
        row.get("status", "").lower() in CLOSED,
    )


def message(line: int, row: Row) -> Message:
    """Check a row of messages."""
    direction = row["direction"].lower()
    if direction not in DIRECTIONS:
        raise RowError(f"direction is {quoted(direction)}, neither in nor out")
    told = row.get("source", "").lower()
    if told not in SOURCES[direction]:
        raise RowError(f"source is {quoted(told)}, which goes not with direction {direction}")
    status = row.get("status", "").lower()
    is_deleted = status == "deleted"
    if direction == "out" and not is_deleted and status not in SENT:
        raise RowError(f"status is {quoted(status)}, which means nothing here")
    kind = row.get("type", "").lower()
    known = kind if kind in KNOWN else TYPES.get(kind, "unsupported")
    if known == "text" and not row["body"] and not is_deleted:
        raise RowError("body is empty, and it is a text")
    created_at = _time(row, "created_at")
    if created_at is None:
        raise RowError("created_at is empty")
    return Message(
        line,
        _given(row, "conversation_id"),
        row.get("provider_message_id") or None,
        direction,
        SOURCES[direction][told],
        known,
        row["body"] or None,
        _metadata(row, kind, known),
        None if direction == "in" else SENT.get(status, "sent"),
        is_deleted,
        created_at,
    )


def _row(heading: Sequence[str], fields: Sequence[str]) -> Row:
    if len(fields) != len(heading):
        raise RowError(f"has {len(fields)} fields, the heading {len(heading)}")
    return dict(zip(heading, map(_text, fields), strict=True))


def _text(field: str) -> str:
    """Return a field as PostgreSQL can keep it."""
    if not field.isascii() and SURROGATE.search(field):
        raise RowError("is not UTF-8")
    return field.strip().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _given(row: Row, column: str) -> str:
    if not row[column]:
        raise RowError(f"{column} is empty")
    return row[column]


def _number(text: str, region: str | None) -> tuple[str | None, str | None]:
    """Return a number as E.164 or, where it is none, as WhatsApp's own id of somebody."""
    address, _, server = text.removeprefix("whatsapp:").partition("@")
    if not address:
        return None, None
    digits = re.sub(r"[\s().\-/]", "", address).removeprefix("+")
    if not re.fullmatch(r"\d{5,15}", digits) or server in ("g.us", "lid", "broadcast"):
        raise RowError(f"phone is {quoted(text)}, which is no number")
    phone = phones.e164("+" + digits) or (phones.e164(address, region) if region else None)
    if phone is None and digits.startswith("0"):
        raise RowError(f"phone is {quoted(text)}: of which country? (--region)")
    return (phone, None) if phone else (None, digits)


def _time(row: Row, column: str) -> int | None:
    """Return microseconds since 1970; a time without a zone is UTC."""
    text = row.get(column, "")
    if not text:
        return None
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise RowError(f"{column} is {quoted(text)}, which is no time") from error
    time = time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
    if time > datetime.datetime.now(datetime.UTC) + FORESIGHT:
        raise RowError(f"{column} is {quoted(text)}, which is still to come")
    return (time - EPOCH) // datetime.timedelta(microseconds=1)


def _metadata(row: Row, kind: str, known: str) -> str:
    """Join metadata and media, as JSON text; what we have no type for keeps its name."""
    if not (row.get("metadata") or row.get("media") or known == "unsupported"):
        return "{}"
    metadata = _object(row, "metadata")
    if media := _object(row, "media"):
        metadata.setdefault(known, media)
    if known == "unsupported" and kind != known:
        metadata.setdefault("type", kind)
    return orjson.dumps(metadata, option=orjson.OPT_SORT_KEYS).decode()


def _object(row: Row, column: str) -> dict[str, Any]:
    text = row.get(column) or "null"
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RowError(f"{column} is no JSON: {error}") from error
    if not isinstance(found, dict | None):
        raise RowError(f"{column} is no JSON object")
    cleaned: dict[str, Any] = _without_nul(found or {})
    return cleaned


def _without_nul(value: Any) -> Any:
    """Replace the character PostgreSQL has no room for, in names and texts."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list):
        return [_without_nul(one) for one in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(one) for name, one in value.items()}
    return value


def quoted(text: str) -> str:
    """Show what was found, shortened, with nothing a terminal acts on."""
    return repr(text[:40])
