"""A made-up conversation log, with every page and frame a server could have given of it."""

import uuid
from typing import Any

Json = dict[str, Any]

ME, OTHER = (str(uuid.UUID(int=n)) for n in (1, 2))
HERE, THERE = (str(uuid.UUID(int=n)) for n in (11, 12))


class Log:
    """A conversation that grows; it remembers how all was at each number."""

    def __init__(self, conversation_id: str = HERE) -> None:
        self.conversation_id = conversation_id
        self._entries: list[Json] = []  # without the message
        self._subjects: list[str | None] = []  # the id of the message a number is about
        self._states: list[dict[str, Json]] = [{}]

    @property
    def last_seq(self) -> int:
        """The last number."""
        return len(self._entries)

    @property
    def ids(self) -> list[str]:
        """The messages' ids."""
        return list(self._states[-1])

    def send(self, content: str = "hello", key: str | None = None, sender: str = OTHER) -> Json:
        """Add a message; its frame."""
        seq = self.last_seq + 1
        message = {
            "id": str(uuid.UUID(int=seq)),
            "conversation_id": self.conversation_id,
            "seq": seq,
            "type": "text",
            "sender_id": sender,
            "sender_name": "Bo",
            "content": content,
            "created_at": "2026-02-09T12:00:00.123456+00:00",
            "edited_at": None,
            "deleted_at": None,
            "reactions": [],
            "client_message_id": key,
        }
        return self._add("message_created", message)

    def edit(self, message_id: str, content: str) -> Json:
        """Edit a message; the frame."""
        return self._change("message_edited", message_id, content=content)

    def delete(self, message_id: str) -> Json:
        """Delete a message; the frame."""
        return self._change("message_deleted", message_id, content=None)

    def react(self, message_id: str, emoji: str) -> Json:
        """Add a reaction; the frame."""
        old = self._states[-1][message_id]["reactions"]
        return self._change("reaction_added", message_id, reactions=[*old, {"emoji": emoji}])

    def skip(self) -> Json:
        """Let something happen that our user may not see; the frame."""
        return self._add("skip", None)

    def live(self, seq: int) -> Json:
        """Return the frame of a number as it was sent when it happened."""
        return self.late(seq, as_of=seq)

    def late(self, seq: int, as_of: int | None = None) -> Json:
        """Return the frame of a number, with its message as it was at a later number."""
        subject = self._subjects[seq - 1]
        shown = {"message": self.states(as_of)[subject]} if subject else {}
        return {**self._entries[seq - 1], **shown}

    def messages(
        self, *, before: int | None = None, limit: int = 100, as_of: int | None = None
    ) -> Json:
        """Return the page list_messages gave at a number."""
        fitting = [
            one for one in self.states(as_of).values() if before is None or one["seq"] < before
        ]
        return {
            "success": True,
            "messages": fitting[-limit:],
            "has_more": len(fitting) > limit,
            "last_seq": self.last_seq if as_of is None else as_of,
        }

    def changes(self, after: int, *, limit: int = 100, as_of: int | None = None) -> Json:
        """Return the page list_changes gave at a number."""
        last = self.last_seq if as_of is None else as_of
        end = min(after + limit, last)
        return {
            "success": True,
            "changes": [self.late(seq, as_of=last) for seq in range(after + 1, end + 1)],
            "has_more": end < last,
            "last_seq": last,
            "reset": False,
        }

    def states(self, as_of: int | None = None) -> dict[str, Json]:
        """Return all messages as they were at a number."""
        return self._states[-1 if as_of is None else as_of]

    def _change(self, kind: str, message_id: str, **changes: Any) -> Json:
        return self._add(kind, {**self._states[-1][message_id], **changes})

    def _add(self, kind: str, message: Json | None) -> Json:
        seq = self.last_seq + 1
        self._entries.append({"type": kind, "conversation_id": self.conversation_id, "seq": seq})
        self._subjects.append(message["id"] if message else None)
        changed = {message["id"]: message} if message else {}
        self._states.append({**self._states[-1], **changed})
        return self.live(seq)
