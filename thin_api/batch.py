"""Sends that arrive while one is in flight go together in the next call."""

import asyncio
import dataclasses
import heapq
import itertools
from collections import deque
from collections.abc import Mapping
from typing import Any

import orjson

from thin_api import errors, metrics
from thin_api.db import Database, OutcomeUnknown, Refused, UnexpectedError, Unreachable
from thin_api.errors import Failure

SEND = "send_message_atomic"
LARGEST_BATCH = 100
QUEUE_LIMIT = 2000
AT_ONCE = 2  # calls under way, slow ones not counted
PATIENCE = 0.05  # seconds after which a call is slow
MOST_FLIGHTS = 5


@dataclasses.dataclass(slots=True, eq=False)
class Flight:
    """One call under way and the conversations it writes to."""

    conversations: set[Any]
    slow: bool = False


class Waiting:
    """One send in the queue."""

    __slots__ = ("answer", "given", "number")

    def __init__(self, given: Mapping[str, Any], number: int) -> None:
        self.given = given
        self.number = number  # in the order of arrival
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()


class Sender:
    """Sends messages, few calls at a time: what arrives meanwhile goes together in the next one.

    A slow call (it waits for a lock, say) holds up only the conversations it writes to.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queues: dict[Any, deque[Waiting]] = {}  # by conversation
        self._numbers = itertools.count()
        self._waiting = 0
        self._flights: set[Flight] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, given: Mapping[str, Any]) -> bytes:
        """Send one message; the result is that of send_message_atomic."""
        conversation = given["p_conversation_id"]
        if not self._waiting and self._free(conversation) and self._may_start():
            return await self._send_alone(given, conversation)
        if self._waiting >= QUEUE_LIMIT:
            raise errors.unavailable("too many messages wait to be sent")
        waiting = Waiting(given, next(self._numbers))
        self._queues.setdefault(conversation, deque()).append(waiting)
        self._waiting += 1
        self._start()
        return await waiting.answer

    async def _send_alone(self, given: Mapping[str, Any], conversation: Any) -> bytes:
        metrics.BATCHES.observe(1)
        flight = self._take_off({conversation})
        try:
            return await self._database.call(SEND, given)
        finally:
            self._land(flight)

    def _may_start(self) -> bool:
        if len(self._flights) >= MOST_FLIGHTS:
            return False
        return sum(not flight.slow for flight in self._flights) < AT_ONCE

    def _free(self, conversation: Any) -> bool:
        return not any(conversation in flight.conversations for flight in self._flights)

    def _take_off(self, conversations: set[Any]) -> Flight:
        flight = Flight(conversations)
        self._flights.add(flight)
        asyncio.get_running_loop().call_later(PATIENCE, self._lose_patience, flight)
        return flight

    def _lose_patience(self, flight: Flight) -> None:
        if flight in self._flights:
            flight.slow = True
            self._start()

    def _land(self, flight: Flight) -> None:
        self._flights.discard(flight)
        self._start()

    def _start(self) -> None:
        """Put what waits into the next call, if one may start."""
        if not self._queues or not self._may_start():
            return
        # Longest waiting first, looking only at the head of each conversation's queue.
        heads = [
            (queue[0].number, conversation)
            for conversation, queue in self._queues.items()
            if self._free(conversation)
        ]
        heapq.heapify(heads)
        batch: list[Waiting] = []
        while heads and len(batch) < LARGEST_BATCH:
            _, conversation = heads[0]
            queue = self._queues[conversation]
            waiting = queue.popleft()
            self._waiting -= 1
            if not waiting.answer.cancelled():
                batch.append(waiting)
            if queue:
                heapq.heapreplace(heads, (queue[0].number, conversation))
            else:
                heapq.heappop(heads)
                del self._queues[conversation]
        if batch:
            flight = self._take_off({one.given["p_conversation_id"] for one in batch})
            task = asyncio.create_task(self._send_together(batch, flight))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send_together(self, batch: list[Waiting], flight: Flight) -> None:
        metrics.BATCHES.observe(len(batch))
        try:
            if len(batch) == 1:
                await self._send_singly(batch)
            else:
                await self._send_batch(batch)
        except Exception as error:
            for one in batch:
                _fail(one, error)
        finally:
            self._land(flight)

    async def _send_batch(self, batch: list[Waiting]) -> None:
        messages = orjson.dumps([as_json(one.given) for one in batch])
        keyed = all(_has_key(one) for one in batch)
        try:
            results = await self._database.send_messages(messages, repeatable=keyed)
        except OutcomeUnknown as unknown:
            for one in batch:
                if not _has_key(one):
                    _fail(one, unknown)
            await self._send_singly([one for one in batch if _has_key(one)])
        except Unreachable as unreachable:
            for one in batch:
                _fail(one, unreachable)
        except (Failure, Refused, UnexpectedError):
            await self._send_singly(batch)
        else:
            if len(results) != len(batch):
                await self._send_singly(batch)
                return
            for one, result in zip(batch, results, strict=True):
                if not one.answer.done():
                    one.answer.set_result(result)

    async def _send_singly(self, batch: list[Waiting]) -> None:
        """Send one by one, so that each has its own outcome; conversations go side by side."""
        queues: dict[Any, list[Waiting]] = {}
        for one in batch:
            queues.setdefault(one.given["p_conversation_id"], []).append(one)
        await asyncio.gather(*map(self._send_in_turn, queues.values()))

    async def _send_in_turn(self, queue: list[Waiting]) -> None:
        away: Failure | None = None
        for one in queue:
            if away is not None:  # what waited in vain for this one would wait as long again
                _fail(one, away)
                continue
            try:
                result = await self._database.call(SEND, one.given)
            except OutcomeUnknown as unknown:
                _fail(one, unknown)
            except Failure as failure:
                away = failure
                _fail(one, failure)
            except Exception as error:
                _fail(one, error)
            else:
                if not one.answer.done():
                    one.answer.set_result(result)


def _fail(waiting: Waiting, error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)


def _has_key(waiting: Waiting) -> bool:
    return waiting.given.get("p_client_message_id") is not None


def as_json(given: Mapping[str, Any]) -> dict[str, Any]:
    """Write the arguments as JSON; what is JSON already goes in as it is."""
    return {
        name: orjson.Fragment(value) if isinstance(value, bytes) else value
        for name, value in given.items()
    }
