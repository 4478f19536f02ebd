"""One session with PostgreSQL that listens: the protocol of functions/api/push, nothing else.

docs/push.md has the protocol as a program, and the proof that no wake-up is lost.
"""

import asyncio
import dataclasses
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import asyncpg
import orjson

from thin_api.frames import NAMING, Event, Snapshot
from thin_api.settings import Settings

CONNECT_TIMEOUT = 5.0
ANSWER_GRACE = 2.0
# A sleeper is told of events by the bell, which saves a call each and costs the writers NOTIFY's
# commit lock. It had better look, and stay awake, once there are this many of them this fast.
MOST_TOLD = 64
FEW = 16
FAST = 250.0  # a second
LONGEST_TOLD = 20.0  # seconds without a look, in which what we have cannot be confirmed
# What a broken session may raise; nothing can be said of what it would have given.
LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of a connection that was terminated and does not know it yet
)

# jsonb has one order of keys: the shorter first. Only the message is longer, and may come later.
BEGINNING = re.compile(
    r'\{(?:"seq": (?P<seq>\d+), )?"type": "(?P<type>\w+)"(?:, "emoji": "(?:[^"\\]|\\.)*")?'
    r'(?:, "message": \{"id": "(?P<message_id>[0-9a-f-]{36})")?'
)
ATTACH = """
select (attached.result ->> 'listener_id')::integer as id,
       attached.result ->> 'channel' as channel,
       attached.result ->> 'own_channel' as own_channel
  from api.push_attach(p_with_content => true) attached (result)
"""
LOOK = """
select api.{function}(p_listener_id => $1, p_snapshot => $2::text::pg_snapshot)::text,
       extract(epoch from clock_timestamp())::float8
"""
FETCH, SLEEP, WAKE = (
    LOOK.format(function=function) for function in ("push_fetch", "push_sleep", "push_wake")
)


class DroppedError(Exception):
    """The database has forgotten this listener; what it missed is in the log."""


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What one look at the outbox gave."""

    events: Sequence[Event]
    transactions: int
    missed: bool = False
    asleep: bool = False


class Listener:
    """A session that is attached. Whatever a method raises, the session is over."""

    def __init__(self, connection: Any, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._id = 0
        self._snapshot: Snapshot | None = None
        self._looked = 0.0
        self._clock = 0.0  # how far our clock is ahead of the database's
        self._asleep = False
        # What the bell has told and no look has shown yet, and how often it told nothing.
        self._told: list[Event] = []
        self._blank_rings = 0
        # Positions of the events that were taken from the bell: the next look shows them again.
        self._taken: set[int] = set()
        self.bell = asyncio.Event()
        self.rings = 0

    @classmethod
    async def attach(cls, settings: Settings) -> Self:
        """Connect straight to PostgreSQL and get every event from now on."""
        connection = await asyncpg.connect(
            settings.listen_url or settings.database_url,
            timeout=CONNECT_TIMEOUT,
            server_settings={
                "application_name": "parley listener",
                "role": settings.database_role,
                "statement_timeout": str(int(settings.statement_timeout * 1000)),
                "jit": "off",
            },
        )
        listener = cls(connection, settings.statement_timeout + ANSWER_GRACE)
        try:
            connection.add_termination_listener(listener._ended)
            attached = await connection.fetchrow(ATTACH, timeout=listener._timeout)
            listener._id = attached["id"]
            await connection.add_listener(attached["channel"], listener._rung_blank)
            await connection.add_listener(attached["own_channel"], listener._rung)
            await listener.fetch()
        except BaseException:
            connection.terminate()
            raise
        return listener

    async def fetch(self) -> Look:
        """Get what became visible since the last look."""
        return await self._look(FETCH)

    async def sleep(self) -> Look:
        """Fall asleep, unless something is there or about to be."""
        self.bell.clear()
        return await self._look(SLEEP)

    def told(self) -> Look | None:
        """Take what the bell has told a sleeper, who sleeps on; None: it must wake and look.

        While we sleep everything that commits rings, in the order of commits, so this is all there
        is. It is no use when a ring came without its event.
        """
        self.bell.clear()
        seconds = time.monotonic() - self._looked
        many = len(self._taken) + len(self._told)
        busy = many > MOST_TOLD or (many > FEW and many > FAST * seconds)
        if self._blank_rings or not self._told or busy or seconds > LONGEST_TOLD:
            return None
        told, self._told = self._told, []
        self._taken.update(event.position for event in told)
        return Look(told, transactions=0, asleep=True)

    async def wake(self) -> Look:
        """Wake from sleep and get what came."""
        return await self._look(WAKE)

    def kick(self) -> None:
        """Look soon: this process has just committed something. A sleeper is rung for it anyway."""
        if not self._asleep:
            self.bell.set()

    async def close(self) -> None:
        """End the session."""
        try:
            await self._connection.close(timeout=2)
        except LOST:
            self._connection.terminate()

    async def _look(self, statement: str) -> Look:
        blank_rings = self._blank_rings
        text, now = await self._connection.fetchrow(
            statement,
            self._id,
            self._snapshot.text if self._snapshot else None,
            timeout=self._timeout,
        )
        result = orjson.loads(text)
        if not result["success"]:
            raise DroppedError(result["error"])
        self._snapshot = Snapshot(result["snapshot"])
        self._looked = time.monotonic()
        self._clock = time.time() - now
        self._asleep = result.get("asleep", False)
        self._blank_rings -= blank_rings  # those that came meanwhile may be about something newer
        taken, self._taken = self._taken, set()
        events = _events(result["events"], now) if result["events"] else []
        shown = {event.position for event in events}
        self._told = [event for event in self._told if event.position not in shown]
        return Look(
            events=[event for event in events if event.position not in taken],
            transactions=result["transactions"],
            missed=result["missed"],
            asleep=self._asleep,
        )

    def _rung(self, _connection: Any, _pid: int, _channel: str, content: str) -> None:
        self.rings += 1
        self.bell.set()
        if not content:
            self._blank_rings += 1  # too long for a notification
            return
        for event in _events(content, time.time() - self._clock):
            if self._snapshot is None or not self._snapshot.shows(event.xid):
                self._told.append(event)

    def _rung_blank(self, *_about: Any) -> None:
        """Be rung on the channel everybody knows, where no content is to be trusted."""
        self.rings += 1
        self._blank_rings += 1
        self.bell.set()

    def _ended(self, *_about: Any) -> None:
        self._blank_rings += 1
        self.bell.set()


def _events(lines: str, now: float) -> list[Event]:
    """Read events, two lines each: what there is to know, and what is handed on."""
    lines_of_all = iter(lines.split("\n"))
    return [
        _event(orjson.loads(about), body, now)
        for about, body in zip(lines_of_all, lines_of_all, strict=True)
    ]


def _event(about: Mapping[str, Any], body: str, now: float) -> Event:
    seq, kind, message_id = _read(body)
    return Event(
        xid=about["xid"],
        position=about["position"],
        conversation_id=about.get("conversation_id"),
        desk_id=about.get("desk_id"),
        kind=kind,
        seq=None if seq is None else int(seq),
        body=body.encode(),
        excluded=about.get("excluded_user_ids"),
        user_ids=orjson.loads(body)["user_ids"] if kind in NAMING else None,
        message_id=message_id,
        age=max(0.0, now - about["written_at"]),
    )


def _read(body: str) -> tuple[str | int | None, str, str | None]:
    """Read seq, type and message id of an event, which PostgreSQL mostly writes first."""
    found = BEGINNING.match(body)
    if found is None:
        event = orjson.loads(body)
        return event.get("seq"), event["type"], (event.get("message") or {}).get("id")
    return found["seq"], found["type"], found["message_id"]
