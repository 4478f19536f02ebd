"""One session with PostgreSQL that listens: the protocol of functions/api/push, nothing else.

docs/push.md has the protocol as a program, and the proof that no wake-up is lost.
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import asyncpg
import orjson

from thin_api.frames import Event
from thin_api.settings import Settings

CONNECT_TIMEOUT = 5.0
ANSWER_GRACE = 2.0
# What a broken session may raise; nothing can be said of what it would have given.
LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

CHANNEL = "parley"
ATTACH = "select (api.push_attach() ->> 'listener_id')::integer"
LOOK = """
select look.result ->> 'error' as error,
       look.result ->> 'snapshot' as snapshot,
       (look.result ->> 'missed')::boolean as missed,
       (look.result ->> 'asleep')::boolean as asleep,
       (look.result ->> 'transactions')::integer as transactions,
       given.conversation_id,
       given.event::text as body,
       given.event ->> 'type' as kind,
       (given.event ->> 'seq')::bigint as seq,
       given.event ->> 'user_id' as user_id,
       (given.event -> 'user_ids')::text as user_ids,
       given.event #>> '{{message,id}}' as message_id,
       given.excluded_user_ids,
       given.age
  from api.{function}($1, $2::text::pg_snapshot) as look (result)
  left join lateral jsonb_to_recordset(look.result -> 'events') as given (
            conversation_id text, event jsonb, excluded_user_ids text[], age float8) on true
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
    missed: bool
    asleep: bool


class Listener:
    """A session that is attached. Whatever a method raises, the session is over."""

    def __init__(self, connection: Any, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._id = 0
        self._snapshot: str | None = None
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
            await connection.add_listener(CHANNEL, listener._rung)
            listener._id = await connection.fetchval(ATTACH, timeout=listener._timeout)
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

    async def wake(self) -> Look:
        """Wake from sleep and get what came."""
        return await self._look(WAKE)

    async def close(self) -> None:
        """End the session."""
        try:
            await self._connection.close(timeout=2)
        except LOST:
            self._connection.terminate()

    async def _look(self, statement: str) -> Look:
        rows = await self._connection.fetch(
            statement, self._id, self._snapshot, timeout=self._timeout
        )
        first = rows[0]
        if first["error"] is not None:
            raise DroppedError(first["error"])
        self._snapshot = first["snapshot"]
        return Look(
            events=[_event(row) for row in rows if row["body"] is not None],
            transactions=first["transactions"],
            missed=first["missed"],
            asleep=bool(first["asleep"]),
        )

    def _rung(self, *_about: Any) -> None:
        self.rings += 1
        self.bell.set()

    def _ended(self, *_about: Any) -> None:
        self.bell.set()


def _event(row: Any) -> Event:
    user_ids = row["user_ids"]
    return Event(
        conversation_id=row["conversation_id"],
        kind=row["kind"],
        seq=row["seq"],
        body=row["body"].encode(),
        excluded=row["excluded_user_ids"],
        user_ids=orjson.loads(user_ids) if user_ids else (row["user_id"],),
        message_id=row["message_id"],
        age=row["age"],
    )
