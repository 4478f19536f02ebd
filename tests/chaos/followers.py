"""The same through the Python client: what it hands out must be the whole log, each number once."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from tests.chaos.readers import Seen, seen_in
from tests.chaos.stage import Server
from tests.chaos.verdict import Truth
from tests.chaos.world import Room
from tests.http.support import token
from thin_api.client import Client

LONGEST_WAIT = 0.2


class Follower:
    """A user who follows the rooms they stay in with the client."""

    def __init__(self, user_id: str, server: Server) -> None:
        self.user_id = user_id
        self.opened = asyncio.Event()
        self.there = asyncio.Event()
        self.frames: dict[str, list[Seen]] = defaultdict(list)
        self._goal: dict[str, int] | None = None
        self._server = server

    async def run(self) -> None:
        """Follow until cancelled."""
        client = Client(
            self._server.url,
            lambda: token(self.user_id),
            report=lambda _: self.opened.set(),
            sleep=lambda seconds: asyncio.sleep(min(seconds, LONGEST_WAIT)),
        )
        async with client:
            async for frame in client.events():
                seen = seen_in(frame)
                if seen.conversation_id and seen.seq:
                    self.frames[seen.conversation_id].append(seen)
                    self._look()

    def aim_at(self, goal: Mapping[str, int], rooms: Sequence[Room]) -> None:
        """Set `there` once the logs of the rooms we stay in have come so far."""
        stays = {room.conversation_id for room in rooms if self.user_id in room.steady}
        self._goal = {key: seq for key, seq in goal.items() if key in stays and seq}
        self._look()

    def lacks(self) -> Mapping[str, int]:
        """Tell what has not come."""
        return {
            key: seq
            for key, seq in (self._goal or {}).items()
            if not self.frames[key] or self.frames[key][-1].seq != seq
        }

    def judge(self, truth: Truth, rooms: Sequence[Room]) -> Iterator[str]:
        """Tell everything that was wrong in what we were handed."""
        for room in rooms:
            if self.user_id not in room.steady:
                continue
            where = room.conversation_id
            told = [(one.seq, one.kind, one.message_id) for one in self.frames[where]]
            wanted = [(seq, *truth.expected(self.user_id, where, seq)) for seq in truth.logs[where]]
            if told != wanted:
                one, other = next(pair for pair in zip_longest(told, wanted) if pair[0] != pair[1])
                yield f"{self.user_id}: the client handed out {one}, not {other} in {where}"

    def _look(self) -> None:
        if self._goal is not None and not self.lacks():
            self.there.set()
