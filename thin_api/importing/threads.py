"""Merging: all conversations of one person become one thread, each message once."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from thin_api.importing.rows import EPOCH, STATUSES, Conversation, Message

RANKS = {status: rank for rank, status in enumerate(("unsent", *STATUSES))}
NEVER_SENT = {"code": "never_sent", "title": "The older inbox never sent it"}


@dataclass(slots=True)
class Entry:
    """A message of a thread: its first copy, with the best that any copy knows."""

    first: Message
    status: str | None
    is_deleted: bool
    is_unread: bool


class Thread(NamedTuple):
    """What one call imports, and what the report says of it."""

    kept: Conversation
    merged: Sequence[Conversation]
    entries: Sequence[Entry]
    rows: int
    identities: Sequence[dict[str, str]]
    key: str

    @property
    def duplicates(self) -> int:
        """Count the copies that were left out."""
        return self.rows - len(self.entries)

    def document(self, channel_id: str) -> dict[str, Any]:
        """Return the thread as api.import_thread_atomic takes it."""
        conversations = [self.kept, *self.merged]
        named = [one.name for one in conversations if one.name]
        starts = [one.started_at for one in conversations if one.started_at is not None]
        unread = [one.first.created_at for one in self.entries if one.is_unread]
        return {
            "channel_id": channel_id,
            "identities": self.identities,
            "display_name": named[0] if named else self.identities[0]["value"],
            "started_at": _optional(min(starts, default=None)),
            "last_read_at": _optional(self.kept.last_read_at),
            "is_closed": bool(self.kept.is_closed),
            "unread_from": _optional(min(unread, default=None)),
            "messages": [_item(one) for one in self.entries],
        }


def merge(
    key: str,
    conversations: Sequence[Conversation],
    numbers: Iterable[str],
    messages: Iterable[Message],
) -> Thread:
    """Merge a person's conversations: messages in time order; numbers: those that are theirs.

    What nobody has read in the conversation that is kept, or in one that is still open, stays
    unread; whoever closed the others was done with them. A message read in one copy is read.
    """
    latest = {one.id: max(one.started_at or 0, one.last_message_at or 0) for one in conversations}
    rows = list(messages)
    for row in rows:
        latest[row.conversation_id] = max(latest[row.conversation_id], row.created_at)
    kept, *merged = sorted(conversations, key=lambda one: (latest[one.id], one.id), reverse=True)
    counted = {one.id: one for one in conversations if one is kept or not one.is_closed}
    entries: dict[object, Entry] = {}
    for row in rows:
        within = counted.get(row.conversation_id)
        is_unread = within is not None and row.direction == "in" and _is_unread(row, within)
        entry = entries.get(same := _identity(row))
        if entry is None:
            entries[same] = Entry(row, row.status, bool(row.is_deleted), is_unread)
            continue
        entry.is_deleted |= bool(row.is_deleted)
        entry.is_unread &= is_unread
        if entry.status is not None and row.status is not None:
            entry.status = max(entry.status, row.status, key=RANKS.__getitem__)
    for entry in entries.values():
        entry.is_unread &= not entry.is_deleted
    leads = [one.lead_id for one in [kept, *merged] if one.lead_id]
    theirs = set(numbers)
    phones = [one.phone for one in [kept, *merged] if one.phone in theirs]
    wa_ids = [one.wa_id for one in [kept, *merged] if one.wa_id in theirs]
    identities = [
        {"kind": kind, "value": value}
        for kind, values in (("lead", leads), ("phone", phones), ("wa_id", wa_ids))
        for value in dict.fromkeys(values)
        if value
    ]
    return Thread(kept, merged, list(entries.values()), len(rows), identities, key)


def _written(time: int) -> str:
    return (EPOCH + datetime.timedelta(microseconds=time)).isoformat()


def _optional(time: int | None) -> str | None:
    return None if time is None else _written(time)


def _is_unread(row: Message, within: Conversation) -> bool:
    if within.last_read_at is not None:
        return row.created_at > within.last_read_at
    return row.created_at >= (within.started_at or 0)


def _identity(row: Message) -> object:
    """Return what two copies of a message have in common."""
    if row.provider_message_id:
        return row.provider_message_id
    return (row.created_at, row.direction, row.source, row.type, row.content, row.metadata)


def _item(entry: Entry) -> dict[str, Any]:
    row = entry.first
    item: dict[str, Any] = {
        "provider_message_id": row.provider_message_id,
        "source": row.source,
        "type": row.type,
        "content": None if entry.is_deleted else row.content,
        "metadata": {} if entry.is_deleted else orjson.loads(row.metadata),
        "created_at": _written(row.created_at),
        "is_deleted": entry.is_deleted,
    }
    if entry.status is not None:
        item["status"] = "failed" if entry.status == "unsent" else entry.status
        item["error"] = NEVER_SENT if entry.status == "unsent" else None
    return item
