"""Responders of the tests': one that says what it is told to, and one that talks by itself."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Iterator

from tests.support import wait_for
from thin_api.responders import Request, ResponderError

PUPPET = "tests.bots:puppet"
CHATTERBOX = "tests.bots:chatterbox"

WORDS = 12
BREATH = 0.05  # seconds
FAIL = "fail"


class Talk:
    """A puppet that answers one request: it waits for its words."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.over = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[str | BaseException | None] = asyncio.Queue()

    def say(self, *pieces: str) -> None:
        """Make it say something."""
        for piece in pieces:
            self._put(piece)

    def end(self) -> None:
        """Make it end."""
        self._put(None)

    def fail(self, error: BaseException) -> None:
        """Make it fail."""
        self._put(error)

    async def lines(self) -> AsyncGenerator[str, None]:
        """Say it."""
        try:
            while (line := await self._lines.get()) is not None:
                if isinstance(line, BaseException):
                    raise line
                yield line
        finally:
            self.over.set()

    def _put(self, line: str | BaseException | None) -> None:
        self._loop.call_soon_threadsafe(self._lines.put_nowait, line)


talks: list[Talk] = []


async def puppet(request: Request) -> AsyncGenerator[str, None]:
    """Say what the test says."""
    talk = Talk(request)
    talks.append(talk)
    async with contextlib.aclosing(talk.lines()) as lines:
        async for line in lines:
            yield line


def next_talk(run_id: str, attempt: int = 1) -> Talk:
    """Wait until a run is being answered."""

    def found() -> Talk | None:
        for talk in talks:
            if (talk.request.run_id, talk.request.attempt) == (run_id, attempt):
                return talk
        return None

    talk: Talk = wait_for(found, f"attempt {attempt} of {run_id}")
    return talk


async def chatterbox(request: Request) -> AsyncGenerator[str, None]:
    """Repeat the question so often that there is time to be interrupted; fail if it asks for it."""
    for piece in chatter(request.question):
        yield piece
        await asyncio.sleep(BREATH)
    if FAIL in request.question:
        raise ResponderError(FAIL, "as you wished")


def chatter(question: str) -> list[str]:
    """All that there is to be said to a question."""
    return [f"{question} {number}. " for number in range(WORDS)]


_let_go = threading.Event()
_holding: set[str] = set()


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Have the two below hold on until this ends; then they are gone."""
    _let_go.clear()
    try:
        yield
    finally:
        _let_go.set()
        wait_for(lambda: not _holding, "responders to let go")


async def stubborn(request: Request) -> AsyncGenerator[str, None]:
    """Hold on to the line when it is hung up."""
    _holding.add(request.run_id)
    yield "I will"
    while not _let_go.is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(BREATH)
    _holding.remove(request.run_id)


async def restless(_request: Request) -> AsyncGenerator[str, None]:
    """Say nothing, again and again and without ever waiting."""
    while not _let_go.is_set():
        yield ""
