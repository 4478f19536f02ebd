"""Who waits for news of a conversation without a socket of its own."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

UNTOLD = 1.0  # seconds between looks while nobody would tell us of news


class Watch:
    """Wakes one who looks; a ring while they are looking is kept for afterwards."""

    def __init__(self, is_told: Callable[[], bool]) -> None:
        self._is_told = is_told
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Wake them: there may be something new."""
        self._bell.set()

    async def wait(self, seconds: float) -> None:
        """Wait for a ring, at most so long; not long at all while none can come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds if self._is_told() else min(seconds, UNTOLD)):
                await self._bell.wait()
        self._bell.clear()


class Watches:
    """All watches, by conversation."""

    def __init__(self, is_told: Callable[[], bool]) -> None:
        self._is_told = is_told
        self._of: dict[str, set[Watch]] = {}

    @contextlib.contextmanager
    def open(self, conversation_id: str) -> Iterator[Watch]:
        """Watch a conversation as long as this lasts."""
        conversation_id = conversation_id.lower()
        watch = Watch(self._is_told)
        self._of.setdefault(conversation_id, set()).add(watch)
        try:
            yield watch
        finally:
            others = self._of[conversation_id]
            others.discard(watch)
            if not others:
                del self._of[conversation_id]

    def ring(self, conversation_id: str) -> None:
        """Wake those who watch a conversation."""
        for watch in self._of.get(conversation_id, ()):
            watch.ring()

    def ring_all(self) -> None:
        """Wake everybody: something may have happened that nobody told."""
        for conversation_id in self._of:
            self.ring(conversation_id)
