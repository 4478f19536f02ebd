"""What a user's sockets were shown, held against what the database says happened."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.chaos.readers import Epoch, Seen, ends_membership
from tests.support import Connection, call, violations

ENTRIES = """
select m.conversation_id::text, m.seq, chat.message_frame(to_jsonb(m)) ->> 'type', m.id::text, m.seq
  from chat.messages m
 union all
select c.conversation_id::text, c.seq, c.kind, c.message_id::text, m.seq
  from chat.changes c
  left join chat.messages m on m.conversation_id = c.conversation_id and m.id = c.message_id
 order by 1, 2
"""


class Entry(NamedTuple):
    """One number of a log: what happened, to which message, and where that stands."""

    kind: str
    message_id: str | None
    message_seq: int | None


@dataclass
class Truth:
    """The logs and the members as the tables have them."""

    logs: dict[str, dict[int, Entry]]
    hidden: set[tuple[str, str, int]]  # who may not see which message of which conversation
    members: dict[tuple[str, str], int | None]  # when they left
    blurred: set[str]  # conversations where what one may see depends on when one asks

    def goal(self, user_id: str) -> dict[str, int]:
        """Return where the logs end that a user gets."""
        return {
            conversation_id: len(self.logs[conversation_id])
            for (conversation_id, member), left in self.members.items()
            if member == user_id and left is None
        }

    def expected(self, user_id: str, conversation_id: str, seq: int) -> tuple[str, str | None]:
        """Return what a user is to be shown at a number."""
        entry = self.logs.get(conversation_id, {}).get(seq)
        if entry is None:
            return ("nothing", None)
        if (conversation_id, user_id, entry.message_seq) in self.hidden:
            return ("skip", None)
        return (entry.kind, entry.message_id)


def read_truth(connection: Connection) -> Truth:
    """Read it, as somebody who may read the tables."""
    logs: dict[str, dict[int, Entry]] = {}
    for conversation_id, seq, *entry in connection.execute(ENTRIES):
        logs.setdefault(conversation_id, {})[seq] = Entry(*entry)
    for (conversation_id,) in connection.execute(
        "select conversation_id::text from chat.conversations where last_seq = 0"
    ):
        logs[conversation_id] = {}
    hidden = connection.execute(
        "select conversation_id::text, user_id::text, seq from chat.exclusions"
    )
    members = connection.execute(
        "select conversation_id::text, user_id::text, left_seq from chat.members"
    )
    blurred = connection.execute(
        "select conversation_id::text from chat.conversations where history = 'joined'"
    )
    return Truth(
        logs,
        {tuple(row) for row in hidden},
        {(conversation_id, user_id): left for conversation_id, user_id, left in members},
        {row[0] for row in blurred},
    )


def judge_log(connection: Connection, truth: Truth) -> Iterator[str]:
    """See that the logs have no holes, and that list_changes tells each member the same."""
    for conversation_id, log in truth.logs.items():
        if list(log) != list(range(1, len(log) + 1)):
            yield f"{conversation_id}: the log has holes"
    hampered = {(conversation_id, user_id) for conversation_id, user_id, _ in truth.hidden}
    asked: set[str] = set()
    for (conversation_id, user_id), left in truth.members.items():
        again = conversation_id in asked and (conversation_id, user_id) not in hampered
        if left is not None or again or conversation_id in truth.blurred:
            continue
        asked.add(conversation_id)
        told = list(_changes(connection, conversation_id, user_id))
        wanted = [
            (seq, *truth.expected(user_id, conversation_id, seq))
            for seq in truth.logs[conversation_id]
        ]
        if told != wanted:
            yield f"{conversation_id}: list_changes tells {user_id} something else than the tables"
    for violation in violations(connection):
        yield f"an invariant: {violation}"


def _changes(
    connection: Connection, conversation_id: str, user_id: str
) -> Iterator[tuple[int, str, str | None]]:
    after, more = 0, True
    while more:
        page: dict[str, Any] = call(
            connection,
            "list_changes",
            conversation_id=conversation_id,
            actor_id=user_id,
            after_seq=after,
        )
        for frame in page["changes"]:
            message = frame.get("message")
            yield frame["seq"], frame["type"], message["id"] if message else None
            after = frame["seq"]
        more = page["has_more"]


def judge(user_id: str, epochs: Sequence[Epoch], truth: Truth, *, resynced: bool) -> Iterator[str]:
    """Tell everything that was wrong in what one device got, in all its connections.

    `resynced`: servers brought sockets up to date, which these do not notice. Then who was out for
    a while may get the numbers of that while, as after a cursor, before hearing to be back.
    """
    walk = _Walk(user_id, truth, resynced=resynced)
    for number, epoch in enumerate(epochs, start=1):
        for fault in walk.through(epoch):
            yield f"{user_id}, connection {number} ({epoch.server}): {fault}"
    for conversation_id, last_seq in truth.goal(user_id).items():
        if walk.positions.get(conversation_id) != last_seq:
            at = walk.positions.get(conversation_id)
            yield f"{user_id}: stopped at {at} of {last_seq} in {conversation_id}"


class _Walk:
    """Follows one device from connection to connection."""

    def __init__(self, user_id: str, truth: Truth, *, resynced: bool) -> None:
        self.user_id = user_id
        self.truth = truth
        self.positions: dict[str, int] = {}
        self._ready: Mapping[str, int] = {}
        self._out: dict[str, int] = {}  # since which number
        self._resynced = resynced

    def through(self, epoch: Epoch) -> Iterator[str]:
        if epoch.cursors != self.positions:
            yield f"resumed at {epoch.cursors}, was at {self.positions}"
        if epoch.ready is None:
            yield from (f"{frame} before ready" for frame in epoch.frames if frame.kind != "error")
            return
        self._ready = epoch.ready
        for conversation_id, seq in epoch.ready.items():
            if self.positions.setdefault(conversation_id, seq) > seq:
                yield f"{conversation_id} went back to {seq} from {self.positions[conversation_id]}"
        for frame in epoch.frames:
            if frame.conversation_id is not None:
                yield from self._step(frame, frame.conversation_id)

    def _step(self, frame: Seen, conversation_id: str) -> Iterator[str]:
        at = self.positions.get(conversation_id)
        about_us = self.user_id in frame.user_ids
        if frame.kind == "error":
            if frame.error != "not_a_member" or at is None:
                yield f"{frame} at {at}"
            self.positions.pop(conversation_id, None)
        elif frame.kind == "reset":
            if conversation_id not in self.truth.blurred:
                yield f"{frame} at {at}"
            self.positions[conversation_id] = frame.seq or 0
        elif frame.seq is None:
            if at is None:
                yield f"{frame} of a conversation we are not in"
        else:
            begins = (
                (frame.kind == "member_added" and about_us)
                if frame.seq
                else frame.kind == "conversation_created"
            )
            if self._resynced and frame.seq == self._out.get(conversation_id, -1) + 1:
                at = frame.seq - 1
            if at is None and not begins:
                yield f"{frame} of a conversation we are not in"
            elif at is not None and frame.seq != at + 1:
                yield f"{frame} at {at}"
            yield from self._compare(frame, conversation_id)
            self.positions[conversation_id] = frame.seq
            if ends_membership(frame, self.user_id, self._ready):
                self._out[conversation_id] = self.positions.pop(conversation_id)

    def _compare(self, frame: Seen, conversation_id: str) -> Iterator[str]:
        if not frame.seq:
            return
        wanted = self.truth.expected(self.user_id, conversation_id, frame.seq)
        unseen = frame.kind == "skip" and conversation_id in self.truth.blurred
        if (frame.kind, frame.message_id) != wanted and not unseen:
            yield f"{frame} should be {wanted}"
