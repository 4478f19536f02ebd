"""Sockets that write down every frame, break off hard, and go on elsewhere from where they were."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple, Protocol

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.chaos.stage import Server
from tests.http.support import token

BACK_OFF = 0.05
CONNECT_TIMEOUT = 3.0
MEMBERS = frozenset({"member_added", "member_removed", "role_changed"})


class Seen(NamedTuple):
    """One frame, as far as it says where it belongs."""

    kind: str
    conversation_id: str | None
    seq: int | None = None
    message_id: str | None = None
    user_ids: tuple[str, ...] = ()
    error: str | None = None


@dataclass
class Epoch:
    """One connection: what was asked for, what came."""

    server: str
    cursors: Mapping[str, int]
    ready: dict[str, int] | None = None
    frames: list[Seen] = field(default_factory=list)
    code: int | None = None


class Device(Protocol):
    """Something that follows what happens."""

    opened: asyncio.Event

    async def run(self) -> None:
        """Follow it."""


class Reader:
    """One device of a user; after about `lifetime` frames it breaks off (none: it never does)."""

    def __init__(
        self, user_id: str, servers: Sequence[Server], seed: str, lifetime: int | None = None
    ) -> None:
        self.user_id = user_id
        self.epochs: list[Epoch] = []
        self.positions: dict[str, int] = {}
        self.opened = asyncio.Event()
        self.there = asyncio.Event()
        self._ponged = asyncio.Event()
        self._servers = servers
        self._random = Random(seed)
        self._next = self._random.randrange(len(servers))
        self._lifetime = lifetime
        self._goal: dict[str, int] | None = None
        self._socket: ClientConnection | None = None
        self._leaving = False

    async def run(self) -> None:
        """Connect again and again until told to leave."""
        hello = {"type": "hello", "token": token(self.user_id)}
        while not self._leaving:
            server = self._servers[self._next % len(self._servers)]
            epoch = Epoch(server.name, dict(self.positions))
            try:
                async with connect(
                    f"ws://127.0.0.1:{server.port}/v1/ws",
                    compression=None,
                    max_size=None,
                    max_queue=None,
                    open_timeout=CONNECT_TIMEOUT,
                    ping_interval=None,
                    proxy=None,
                ) as connection:
                    self.epochs.append(epoch)
                    await connection.send(
                        orjson.dumps({**hello, "cursors": epoch.cursors}).decode()
                    )
                    await self._read(connection, epoch)
            except ConnectionClosed as closed:
                epoch.code = closed.rcvd.code if closed.rcvd else None
                await asyncio.sleep(BACK_OFF)
            except (OSError, TimeoutError, WebSocketException):
                await asyncio.sleep(BACK_OFF)
            finally:
                self._socket = None
            self._next += 1

    def aim_at(self, goal: Mapping[str, int]) -> None:
        """Set `there` once these numbers have come; no more breaking off."""
        self._lifetime = None
        self._goal = {key: seq for key, seq in goal.items() if self.positions.get(key, -1) < seq}
        self._look()

    def lacks(self) -> Mapping[str, int]:
        """Tell what has not come."""
        return self._goal or {}

    async def ping(self) -> None:
        """Wait until everything sent so far has come."""
        self._ponged.clear()
        assert self._socket, "a socket was lost after everything was over"
        await self._socket.send('{"type":"ping"}')
        await self._ponged.wait()

    async def leave(self) -> None:
        """Say goodbye."""
        self._leaving = True
        if self._socket:
            await self._socket.close()

    def rest(self) -> None:
        """Read no more."""
        assert self._socket
        self._socket.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        assert self._socket
        self._socket.transport.resume_reading()

    async def _read(self, connection: ClientConnection, epoch: Epoch) -> None:
        left = self._draw()
        self._socket = connection
        while True:
            frame = orjson.loads(await connection.recv(decode=False))
            self._take(frame, epoch)
            if self._lifetime is None:
                continue
            left -= 1
            if left <= 0:
                connection.transport.abort()
                return

    def _draw(self) -> int:
        """Draw how many frames a connection lasts: often only a few, so that catching up breaks."""
        mean = self._lifetime or 0
        return self._random.choice([3, mean // 4, mean, 2 * mean])

    def _take(self, frame: dict[str, Any], epoch: Epoch) -> None:
        kind = frame["type"]
        if kind == "ready":
            epoch.ready = {
                one["conversation_id"]: one["last_seq"] for one in frame["conversations"]
            }
            for conversation_id, seq in epoch.ready.items():
                self.positions.setdefault(conversation_id, seq)
            self.opened.set()
            self._look()
        elif kind == "pong":
            self._ponged.set()
        else:
            seen = seen_in(frame)
            epoch.frames.append(seen)
            self._follow(seen, epoch.ready or {})

    def _follow(self, seen: Seen, ready: Mapping[str, int]) -> None:
        """Keep track of where we are, as a client does: without doubting."""
        conversation_id = seen.conversation_id
        if conversation_id is None:
            return
        if seen.kind == "error":
            self.positions.pop(conversation_id, None)
        elif seen.kind == "reset":
            self.positions[conversation_id] = seen.seq or 0
        elif seen.seq is not None:
            if ends_membership(seen, self.user_id, ready):
                self.positions.pop(conversation_id, None)
                return
            self.positions[conversation_id] = seen.seq
            if self._goal and conversation_id in self._goal:
                self._look()

    def _look(self) -> None:
        if self._goal is None:
            return
        for conversation_id in list(self._goal):
            if self.positions.get(conversation_id, -1) >= self._goal[conversation_id]:
                del self._goal[conversation_id]
        if not self._goal:
            self.there.set()


def ends_membership(seen: Seen, user_id: str, ready: Mapping[str, int]) -> bool:
    """Tell whether a user is out; one that `ready` knew to be a member has come back since."""
    removed = seen.kind == "member_removed" and user_id in seen.user_ids
    return removed and (seen.seq or 0) > ready.get(seen.conversation_id or "", 0)


def seen_in(frame: Mapping[str, Any]) -> Seen:
    """Keep of a frame what it says of its place."""
    message = frame.get("message") if frame["type"] != "error" else None
    kind = frame["type"]
    user_ids: Sequence[str] = frame.get("user_ids") or () if kind in MEMBERS else ()
    return Seen(
        kind=kind,
        conversation_id=frame.get("conversation_id"),
        seq=frame["last_seq"] if kind == "reset" else frame.get("seq"),
        message_id=message["id"] if message else None,
        user_ids=tuple(user_ids),
        error=frame.get("error"),
    )


@contextlib.asynccontextmanager
async def reading(readers: Sequence[Device]) -> AsyncIterator[None]:
    """Let readers read; they are all open when this begins."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(reader.run()) for reader in readers]
        async with asyncio.timeout(30):
            for reader in readers:
                await reader.opened.wait()
        try:
            yield
        finally:
            for reader in readers:
                if isinstance(reader, Reader):
                    await reader.leave()
            for task in tasks:
                task.cancel()
