"""What workers have in common: they look for work when woken and from time to time, and do it."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from thin_api import logs
from thin_api.db import Refused, UnexpectedError
from thin_api.errors import Failure

log = structlog.get_logger(__name__)

PACE = 0.02  # seconds between two looks of which the first found nothing
POLL = 5.0  # seconds between looks when nothing wakes us
DELAYS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
TROUBLE = (Failure, Refused, UnexpectedError)

Look = Callable[[], Awaitable[float]]
Troubles = tuple[type[Exception], ...]
T = TypeVar("T")


class Worker:
    """Looks for work of one kind, with so much of it under way at the same time and no more."""

    def __init__(self, kind: str, at_once: int) -> None:
        self.name = f"{socket.gethostname()}/{os.getpid()}"
        self._kind = kind
        self._at_once = at_once
        self._woken = asyncio.Event()
        self._stopping = False
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def room(self) -> int:
        """How much more may be begun."""
        return self._at_once - len(self._under_way)

    def kick(self) -> None:
        """Look soon: there may be something to do."""
        self._woken.set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside what is under way; its end makes us look for more."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    @contextlib.asynccontextmanager
    async def looking(self, look: Look, grace: float) -> AsyncIterator[None]:
        """Look as long as this lasts; what is under way then has so many seconds to its end.

        `look` begins what it finds, and says how many seconds there is nothing more to find.
        """
        rounds = asyncio.create_task(self._run(look))
        try:
            yield
        finally:
            self._stopping = True
            self._woken.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await rounds
                    while self._under_way:
                        await asyncio.wait(self._under_way)
            left = [rounds, *self._under_way]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _run(self, look: Look) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                wait = await look()
            except TROUBLE as trouble:
                log.warning(f"{self._kind}_not_claimed", reason=type(trouble).__name__)
                wait = POLL
            except Exception as error:
                logs.bug(log, error)
                wait = POLL
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait, POLL)):
                    await self._woken.wait()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._woken.set()
        if not task.cancelled() and (error := task.exception()):
            logs.bug(log, error)


async def pause_after(wait_seconds: float | None) -> float:
    """Take the breath between two looks; how long to wait for the next after one in vain."""
    await asyncio.sleep(PACE)
    return POLL if wait_seconds is None else float(wait_seconds)


async def insist(call: Callable[[], Awaitable[T]], until: float, passing: Troubles = TROUBLE) -> T:
    """Call until the database answers; if it does not for as long as it matters, raise why."""
    tries = 0
    while True:
        try:
            return await call()
        except passing:
            delay = delay_after(tries)
            if time.monotonic() + delay > until:
                raise
            await asyncio.sleep(delay)
            tries += 1


def delay_after(tries: int) -> float:
    """How long the database is left alone after so many calls in vain."""
    return DELAYS[min(tries, len(DELAYS) - 1)]
