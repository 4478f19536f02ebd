"""Webhooks that arrive while a call is in flight go together in the next one."""

import asyncio
from collections import deque
from collections.abc import Sequence

import orjson
import structlog

from thin_api import errors, logs, metrics
from thin_api.db import Database, Refused, UnexpectedError, Unreachable
from thin_api.errors import Failure
from thin_api.providers import Event

log = structlog.get_logger(__name__)

RECEIVE = "receive_webhooks_atomic"
PARK = "park_webhook_atomic"
LARGEST_BATCH = 100
LARGEST_BATCH_BYTES = 4 * 1_048_576
QUEUE_LIMIT = 2000
QUEUE_BYTES = 64 * 1_048_576


class Waiting:
    """One webhook in the queue."""

    __slots__ = ("answer", "payload", "provider", "written")

    def __init__(self, provider: str, payload: str, events: Sequence[Event]) -> None:
        self.provider = provider
        self.payload = payload
        self.written = orjson.dumps({"provider": provider, "payload": payload, "events": events})
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()


class Receiver:
    """Hands webhooks of all providers to the database, one call at a time.

    One call at a time because those of one contact come close together: two calls would wait for
    each other's locks.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[Waiting] = deque()
        self._bytes = 0
        self._work: asyncio.Task[None] | None = None

    async def receive(self, provider: str, payload: str, events: Sequence[Event]) -> bytes:
        """Take in one webhook; the result is what its events came to."""
        try:
            waiting = Waiting(provider, payload, events)
        except TypeError as error:  # nested too deeply to be written
            return await self.park(provider, payload, error)
        if len(self._queue) >= QUEUE_LIMIT or self._bytes > QUEUE_BYTES:
            raise errors.unavailable("too many webhooks wait to be taken in")
        self._queue.append(waiting)
        self._bytes += len(waiting.written)
        if self._work is None:
            self._work = asyncio.create_task(self._empty())
        return await waiting.answer

    async def _empty(self) -> None:
        while self._queue:
            batch = self._next()
            metrics.WEBHOOK_BATCHES.observe(len(batch))
            try:
                await self._together(batch)
            except Exception as error:  # a bug of ours: nobody may be left waiting
                for one in batch:
                    _fail(one, error)
        self._work = None

    def _next(self) -> list[Waiting]:
        batch: list[Waiting] = []
        size = 0
        while self._queue and len(batch) < LARGEST_BATCH:
            size += len(self._queue[0].written)
            if batch and size > LARGEST_BATCH_BYTES:
                break
            one = self._queue.popleft()
            self._bytes -= len(one.written)
            batch.append(one)
        return batch

    async def _together(self, batch: list[Waiting]) -> None:
        if len(batch) > 1:
            try:
                results = await self._call(batch)
            except Unreachable as unreachable:
                for one in batch:
                    _fail(one, unreachable)
                return
            except (Failure, Refused, UnexpectedError):
                results = []
            if len(results) == len(batch):
                for one, result in zip(batch, results, strict=True):
                    _answer(one, result)
                return
        await self._singly(batch)

    async def _singly(self, batch: list[Waiting]) -> None:
        """Take in one by one, so that one that cannot be taken in stops no other."""
        away: Failure | None = None
        for one in batch:
            if away is not None:  # the provider comes again with it
                _fail(one, away)
                continue
            try:
                results = await self._call([one])
                if len(results) != 1:
                    raise RuntimeError("a webhook without a result")  # noqa: TRY301
                _answer(one, results[0])
            except Failure as failure:
                away = failure
                _fail(one, failure)
            except Exception as error:
                try:
                    _answer(one, await self.park(one.provider, one.payload, error))
                except Exception as second:
                    _fail(one, second)

    async def _call(self, batch: list[Waiting]) -> list[bytes]:
        webhooks = b"[" + b",".join(one.written for one in batch) + b"]"
        return await self._database.receive_webhooks(webhooks)

    async def park(self, provider: str, payload: str, error: Exception) -> bytes:
        """Keep what could not be taken in, to be taken in once our bug is mended."""
        failure = logs.bug(log, error, function=RECEIVE, provider=provider)
        given = {
            "p_provider": provider,
            "p_payload": payload,
            "p_problem": failure.details["error_id"],
        }
        metrics.observe_webhook(provider, "parked")
        result = await self._database.call(PARK, given)
        if errors.refused(result):
            raise failure
        return result


def _answer(waiting: Waiting, result: bytes) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(result)


def _fail(waiting: Waiting, error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
