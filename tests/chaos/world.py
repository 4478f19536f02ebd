"""Who there is, where they talk, and what was told to whoever wrote."""

import asyncio
import heapq
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from itertools import combinations
from random import Random

from tests.support import connect, new_direct, new_users, succeed

PEOPLE = 14
KEPT = 30  # messages of a conversation that may be edited yet


@dataclass(eq=False)
class Room:
    """A conversation, who stays in it, and who comes and goes."""

    conversation_id: str
    steady: list[str]
    floating: list[str] = field(default_factory=list)
    messages: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=KEPT))


class World:
    """Everything writers and readers know of each other."""

    def __init__(self, dsn: str, budget: int, seed: str) -> None:
        self.dsn = dsn
        self.budget = budget
        self.random = Random(seed)
        self.written = 0
        self.acknowledged: dict[str, tuple[str, int]] = {}
        self.withdrawn: set[str] = set()
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.rooms: list[Room] = []
        self.crowded: list[Room] = []  # rooms people come to and leave
        self.slow: list[Room] = []  # rooms in which transactions are held open
        self.strained: list[tuple[str, str]] = []  # who may block whom
        self._waiting: list[tuple[int, int, asyncio.Event]] = []
        self._populate()

    @property
    def everywhere(self) -> list[Room]:
        """Every room."""
        return [*self.rooms, *self.slow]

    def acknowledge(self, message: dict[str, object]) -> None:
        """Remember a message that was promised to be there."""
        place = (str(message["conversation_id"]), int(str(message["seq"])))
        self.acknowledged[str(message["id"])] = place

    def spend(self, count: int) -> None:
        """Count messages written, and wake who waits for so many."""
        self.written += count
        while self._waiting and self._waiting[0][0] <= self.written:
            heapq.heappop(self._waiting)[2].set()

    async def reach(self, share: float) -> None:
        """Wait until this share of all messages was written."""
        event = asyncio.Event()
        wanted = int(share * self.budget)
        if wanted > self.written:
            heapq.heappush(self._waiting, (wanted, id(event), event))
            await event.wait()

    def _populate(self) -> None:
        with connect(self.dsn, None) as login:
            # A gap is bridged however wide it is: every number shall be seen.
            login.execute("update chat.limits set changes_gap = 1000000")
        with connect(self.dsn) as connection:
            self.people = new_users(connection, PEOPLE)

            def group(members: list[str], history: str = "all") -> Room:
                answer = succeed(
                    connection,
                    "create_conversation_atomic",
                    kind="group",
                    actor_id=members[0],
                    member_ids=members[1:],
                    history=history,
                )
                return Room(answer["conversation_id"], members)

            self.rooms = [group(self.random.sample(self.people, 5)) for _ in range(4)]
            pairs = self.random.sample(list(combinations(self.people, 2)), 3)
            self.rooms += [Room(new_direct(connection, *pair), list(pair)) for pair in pairs]
            for history in ("all", "joined"):
                chosen = self.random.sample(self.people, 7)
                room = group(chosen[:3], history)
                room.floating = chosen[3:]
                self.crowded.append(room)
            self.rooms += self.crowded
            self.slow = [group(self.random.sample(self.people, 4)) for _ in range(2)]
        self.strained = [
            (one, other)
            for room in self.rooms[:2]
            for one, other in [self.random.sample(room.steady, 2)]
            if not any({one, other} == set(pair) for pair in pairs)
        ]


def counted(done: Counter[str]) -> dict[str, int]:
    """Sum up by the first word."""
    sums: defaultdict[str, int] = defaultdict(int)
    for name, count in done.items():
        sums[name.split()[0]] += count
    return dict(sums)
