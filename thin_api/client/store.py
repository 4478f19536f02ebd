"""What a client knows: pages and frames, in whatever order they come, put together. No I/O here.

Three rules keep a message from getting lost:

1. Whatever arrives is added, whether or not its conversation was known, seen or loaded before.
2. A message gives way only to a newer state of itself. How new a state is, is told by the log
   number that brought it; a page shows everything as it was at the page's `last_seq`.
3. A cursor passes only numbers that were seen, each of them. A frame beyond a missing number is
   held, and the gap is told, until the gap is filled: so frames come out once and in order.

Hence the same pages and frames lead to the same state, in any order and any number of times.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Frame = Mapping[str, Any]
Message = Mapping[str, Any]
Page = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gap:
    """Log numbers that are missing: those after one that was seen and before one that is held."""

    after: int
    before: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far somebody has received and read a conversation."""

    delivered_seq: int = 0
    read_seq: int = 0


class Conversation:
    """One conversation's messages, its place in the log, and what waits for a missing number."""

    def __init__(self, conversation_id: str) -> None:
        self.conversation_id = conversation_id
        self.begun: int | None = None  # what happened up to this number was not followed
        self.cursor: int | None = None  # every number after `begun` up to this one was seen
        self.left = False  # we are no member (any more)
        self.receipts: dict[str, Receipt] = {}
        self._created = False
        self._messages: dict[str, tuple[int, Message]] = {}  # by id, with how new the state is
        self._info: tuple[int, Mapping[str, Any]] | None = None
        self._held: dict[int, Frame] = {}
        self._sends: dict[str, Message] = {}  # by client_message_id, in the order they were begun

    @property
    def messages(self) -> list[Message]:
        """All messages by `seq`, then those we are sending, whose `seq` is none."""
        known = sorted((one for _, one in self._messages.values()), key=lambda one: one["seq"])
        return [*known, *self._sends.values()]

    @property
    def info(self) -> Mapping[str, Any] | None:
        """The conversation itself as last told: title, metadata, whether it is closed."""
        return self._info and self._info[1]

    @property
    def oldest(self) -> int | None:
        """The lowest `seq` of all messages."""
        return min((one["seq"] for _, one in self._messages.values()), default=None)

    @property
    def gap(self) -> Gap | None:
        """What is missing before the lowest frame that is held."""
        return Gap(self.cursor or 0, min(self._held)) if self._held else None

    def begin(self, seq: int) -> list[Frame]:
        """Follow the log from a number on, or from what is held; the frames that frees.

        Not if we follow it already. States from before `begun` may have changed since unnoticed.
        """
        if self.begun is not None:
            return []
        self.begun = min(seq, *(one - 1 for one in self._held)) if self._held else seq
        return self._advance(self.begun)

    def apply(self, frame: Frame) -> list[Frame]:
        """Take a frame in; the frames, this one or those that waited for it, whose turn it is."""
        seq = frame.get("seq")
        if seq is None:
            if frame["type"] == "receipt":
                self._receive(frame)
            return [frame]
        self._add(frame, seq)
        if seq == 0:  # the creation of a conversation has no number
            first, self._created = not self._created, True
            return [frame] if first else []
        if seq > (self.cursor or 0):
            self._held.setdefault(seq, frame)
        return [] if self.cursor is None else self._advance(self.cursor)

    def apply_messages(self, page: Page) -> list[Frame]:
        """Take in a page of list_messages; if the log was not followed, it is from there on.

        A page older than `begun` should be fetched again.
        """
        for message in page["messages"]:
            self._add({"message": message}, page["last_seq"])
        return self.begin(page["last_seq"])

    def apply_changes(self, page: Page, after: int) -> list[Frame]:
        """Take in the page that list_changes gave for the numbers after one; the frames freed.

        Such a page is complete: what it does not tell between `after` and its end, nobody will.
        """
        for frame in page["changes"]:
            self._add(frame, page["last_seq"])
            if frame["seq"] > (self.cursor or 0):
                self._held.setdefault(frame["seq"], frame)
        if after > (self.cursor or 0):
            return []
        last = page["changes"][-1]["seq"] if page["changes"] else after
        end = last if page["has_more"] else page["last_seq"]
        return [*self.begin(after), *self._advance(end)]

    def reset(self, last_seq: int) -> list[Frame]:
        """Go on from a number although what came before was not seen; the frames that frees.

        Messages stay until newer states replace them: fetch them again, then `forget_stale`. If the
        log itself went back (a database restored), what we know of its lost end goes at once.
        """
        if last_seq < (self.cursor or 0):
            self._messages.clear()
            self._held.clear()
            self.receipts.clear()
            self._info = None
        self._held = {seq: frame for seq, frame in self._held.items() if seq > last_seq}
        self.begun = self.cursor = last_seq
        return self._advance(last_seq)

    def forget_stale(self, seq: int) -> None:
        """Forget the messages nothing was heard of at this number or later: they are gone."""
        self._messages = {key: one for key, one in self._messages.items() if one[0] >= seq}

    def leave(self) -> list[Frame]:
        """Stop waiting, since nobody tells us more; the frames that were held."""
        self.left = True
        return self._advance(max(self._held)) if self._held else []

    def sending(self, message: Message) -> None:
        """Show a message that is on its way, with its sender and client_message_id, until known."""
        if not any(_is_same(message, one) for _, one in self._messages.values()):
            self._sends[message["client_message_id"]] = message

    def sent(self, client_message_id: str, message: Message) -> None:
        """Take in the server's answer to a send."""
        self._sends.pop(client_message_id, None)
        self._add({"message": message}, message["seq"])

    def failed(self, client_message_id: str, error: str) -> None:
        """Note with which code the server refused a send; it stays, for whoever wrote it to see."""
        if message := self._sends.get(client_message_id):
            self._sends[client_message_id] = {**message, "error": error}

    def _add(self, frame: Frame, seq: int) -> None:
        """Keep the message and the conversation a frame shows, if it shows them newer than known.

        A frame may show more than its number tells, never less: a tie is kept as it is.
        """
        if message := frame.get("message"):
            known = self._messages.get(message["id"])
            if known is None or known[0] < seq:
                self._messages[message["id"]] = (seq, message)
            sending = self._sends.get(message["client_message_id"])
            if sending and _is_same(sending, message):
                del self._sends[message["client_message_id"]]
        if (info := frame.get("conversation")) and (
            self._info is None or self._info[0] < info["last_seq"]
        ):
            self._info = (info["last_seq"], info)

    def _advance(self, seq: int) -> list[Frame]:
        """Move the cursor to a number, and on as far as what is held reaches without a gap."""
        freed = [self._held.pop(one) for one in sorted(self._held) if one <= seq]
        self.cursor = max(seq, self.cursor or 0)
        while frame := self._held.pop(self.cursor + 1, None):
            self.cursor += 1
            freed.append(frame)
        return freed

    def _receive(self, told: Mapping[str, Any]) -> None:
        known = self.receipts.get(told["user_id"], Receipt())
        self.receipts[told["user_id"]] = Receipt(
            max(known.delivered_seq, told["delivered_seq"]), max(known.read_seq, told["read_seq"])
        )


class Store:
    """All conversations of one user, known from the first thing heard of each."""

    def __init__(self, cursors: Mapping[str, int] | None = None) -> None:
        self.user_id: str | None = None
        self.desk_id: str | None = None  # the tenant whose inbox we answer, if any
        self.conversations: dict[str, Conversation] = {}
        self._listed: set[str] = set()  # by the server, as ours: not those of the inbox
        for conversation_id, seq in (cursors or {}).items():
            self.conversation(conversation_id).begin(seq)

    def conversation(self, conversation_id: str) -> Conversation:
        """Return what is known of a conversation, be it nothing yet."""
        return self.conversations.setdefault(conversation_id, Conversation(conversation_id))

    def messages(self, conversation_id: str) -> list[Message]:
        """All messages of a conversation in order, then those we are sending."""
        return self.conversation(conversation_id).messages

    def cursors(self) -> dict[str, int]:
        """How far the log of each conversation was seen: where to go on from."""
        return {
            key: one.cursor
            for key, one in self.conversations.items()
            if one.cursor is not None and not one.left
        }

    def ready(self, frame: Frame, since: int | None = None) -> list[Frame]:
        """Take in what the server says at the beginning of a connection; the frames that frees.

        On the first, a conversation without a cursor begins after `since` (none: now); on a later
        one it is new to us, and begins where we joined it. Those of an inbox are not listed: which
        of them are not ours any more, the server says to their cursors.
        """
        first, self.user_id = self.user_id is None, frame["user_id"]
        self.desk_id = frame.get("desk_id")
        listed = {one["conversation_id"]: one for one in frame["conversations"]}
        for conversation_id, told in listed.items():
            joined = max(told["joined_seq"] - 1, 0)
            start = joined if not first else told["last_seq"] if since is None else since
            conversation = self.conversation(conversation_id)
            conversation.begin(min(start, told["last_seq"]))
            conversation.apply({"type": "receipt", "user_id": self.user_id, **told})
        freed: list[Frame] = []
        for conversation_id, conversation in self.conversations.items():
            if conversation_id in listed:
                conversation.left = False
            elif self.desk_id is None or conversation_id in self._listed:
                freed += conversation.leave()
        self._listed.update(listed)
        return freed

    def inbox_cursors(self) -> dict[str, int]:
        """How far the log of each conversation of the inbox was seen."""
        return {key: seq for key, seq in self.cursors().items() if key not in self._listed}

    def forget(self, conversation_id: str) -> None:
        """Forget a conversation that is part of another one now, or no more."""
        self.conversations.pop(conversation_id, None)

    def apply(self, frame: Frame) -> list[Frame]:
        """Take in a live frame; the frames whose turn it is, to be shown in this order."""
        if "conversation_id" not in frame:
            return [frame]
        if frame["type"] == "conversation_deleted":
            self.forget(frame["conversation_id"])
            return [frame]
        return self._noted(self.conversation(frame["conversation_id"]).apply(frame))

    def apply_messages(self, conversation_id: str, page: Page) -> list[Frame]:
        """Take in a page of messages."""
        return self._noted(self.conversation(conversation_id).apply_messages(page))

    def apply_changes(self, conversation_id: str, page: Page, after: int) -> list[Frame]:
        """Take in the page of changes after a number; the frames whose turn it is."""
        return self._noted(self.conversation(conversation_id).apply_changes(page, after))

    def _noted(self, freed: Iterable[Frame]) -> list[Frame]:
        """Notice where the frames take us in or out."""
        freed = list(freed)
        for frame in freed:
            if self.user_id in (frame.get("user_ids") or ()):
                if frame["type"] == "member_removed":
                    self.conversation(frame["conversation_id"]).left = True
                elif frame["type"] == "member_added":
                    self.conversation(frame["conversation_id"]).left = False
        return freed


def _is_same(one: Message, other: Message) -> bool:
    """Tell whether two are one send: the key is the sender's own."""
    return all(one[name] == other[name] for name in ("sender_id", "client_message_id"))
