"""Events as they travel: encoded once, however many sockets get them."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from thin_api.errors import Failure

# Events that change who gets the conversation's events.
JOINING = frozenset({"conversation_created", "member_added"})
LEAVING = "member_removed"
DEACTIVATED = "user_deactivated"  # for the hub alone
DESK_CHANGED = "desk_changed"  # the same; with another content it tells a socket
RESET = "reset"  # a log was numbered anew
DELETED = "conversation_deleted"  # for good: there is no log any more
RUN_QUEUED = "run_queued"  # somebody waits for an answer; for those who make answers alone
RUN_DELTA = "run_delta"  # more of an answer
RUN_NEWS = frozenset({RUN_DELTA, "run_completed", "run_failed", DELETED})  # for who waits for one
NAMING = JOINING | {LEAVING, DEACTIVATED}  # whom they concern must be read from them


class Frame:
    """One JSON object for sockets; `cursor` is its place in a log, if it has one."""

    __slots__ = ("_sse", "_wire", "body", "cursor")

    def __init__(self, body: bytes, cursor: tuple[str, int] | None = None) -> None:
        self.body = body
        self.cursor = cursor
        self._wire: bytes | None = None
        self._sse: bytes | None = None

    @property
    def wire(self) -> bytes:
        """As a WebSocket text frame. Servers do not mask, so it is the same for every socket."""
        if self._wire is None:
            self._wire = WebSocketFrame(Opcode.TEXT, self.body).serialize(mask=False)
        return self._wire

    @property
    def sse(self) -> bytes:
        """As a server-sent event (https://html.spec.whatwg.org/#server-sent-events)."""
        if self._sse is None:
            identity = "id: {}:{}\n".format(*self.cursor) if self.cursor else ""
            self._sse = b"%sdata: %s\n\n" % (identity.encode(), self.body)
        return self._sse


class Event:
    """One event from the outbox: what is sent, to whom, and where in the log it stands."""

    __slots__ = (
        "_skip",
        "age",
        "conversation_id",
        "desk_id",
        "excluded",
        "frame",
        "message_id",
        "position",
        "seq",
        "type",
        "user_ids",
        "xid",
    )

    def __init__(
        self,
        *,
        xid: int,
        position: int,
        conversation_id: str | None,
        desk_id: str | None,
        kind: str,
        seq: int | None,
        body: bytes,
        excluded: Sequence[str] | None,
        user_ids: Sequence[str] | None,
        message_id: str | None,
        age: float,
    ) -> None:
        self.xid = xid
        self.position = position
        self.conversation_id = conversation_id
        self.desk_id = desk_id
        self.type = kind
        self.seq = seq
        self.frame = Frame(body, (conversation_id, seq) if conversation_id and seq else None)
        self.excluded = frozenset(excluded or ())
        self.user_ids: Sequence[str] = user_ids or ()
        self.message_id = message_id
        self.age = age
        self._skip: Frame | None = None

    def frame_for(self, user_id: str) -> Frame | None:
        """Return what a user gets to see of it: the event, a skip, or nothing."""
        if user_id not in self.excluded:
            return self.frame
        if self._skip is None and self.seq:
            self._skip = of(
                {"type": "skip", "conversation_id": self.conversation_id, "seq": self.seq}
            )
        return self._skip


class Snapshot:
    """A pg_snapshot: which transactions were visible at some moment."""

    __slots__ = ("_running", "_xmax", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        _, xmax, running = text.split(":")
        self._xmax = int(xmax)
        self._running = frozenset(int(xid) for xid in running.split(",") if xid)

    def shows(self, xid: int) -> bool:
        """Tell whether what a transaction wrote is visible."""
        return xid < self._xmax and xid not in self._running


def of(content: Mapping[str, Any]) -> Frame:
    """Make a frame; it has a place in a log if it says so."""
    conversation, seq = content.get("conversation_id"), content.get("seq")
    return Frame(orjson.dumps(content), (conversation, seq) if conversation and seq else None)


def failed(failure: Failure, **context: Any) -> Frame:
    """Make the frame that tells of a failure to do as asked."""
    about = {"error": failure.error, "message": failure.message, "details": failure.details}
    return error(about, **context)


def error(refusal: Mapping[str, Any], **context: Any) -> Frame:
    """Make the frame that tells of a refusal."""
    told = {name: refusal[name] for name in ("error", "message", "details") if refusal.get(name)}
    return Frame(orjson.dumps({"type": "error", **told, **context}))
