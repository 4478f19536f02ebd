"""The sockets of a measurement, and sends over HTTP at a steady rate, in one process.

Hardly any Python. Each send carries the time it was begun, and whoever gets it finds that in the
frame's bytes: frames are not decoded, their headers are walked over and the rest is searched.
"""

import asyncio
import base64
import collections
import json
import pickle
import resource
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from random import random
from typing import NamedTuple, cast

import uvloop

from bench.http_client import Window, whole

AT_ONCE = 50  # sockets being opened
OPENED_WITHIN = 60.0
TICK = 0.001
LAST_FRAMES = 10.0  # seconds the frames of the last sends may take
TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
MASKED = b"\x00\x00\x00\x00"  # a mask that changes nothing
MARK = b'"@'
DIGITS = 19


class Task(NamedTuple):
    """The sockets to open, one a token, and what is sent meanwhile.

    Requests lack their body, which is as long as `body` makes it. Each send must come to `copies`
    sockets.
    """

    address: tuple[str, int]
    tokens: Sequence[str]
    requests: Sequence[bytes] = ()
    rate: float = 0.0
    connections: int = 0
    copies: int = 0


class Outcome(NamedTuple):
    """What came of the sends of one window; latencies in seconds, of sends begun within it."""

    acked: int
    statuses: dict[str, int]
    lost: int
    late: float
    frames: list[float]
    answers: list[float]


def body(begun: int, key: int) -> bytes:
    """Make the body of a send: always as long."""
    return b'{"content":"@%019d at the canal","client_message_id":"%016x"}' % (begun, key)


def main() -> None:
    """Read the task, then windows, from standard input; write a line for each when it is done."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(_serve(pickle.load(sys.stdin.buffer)))


async def _serve(task: Task) -> None:
    client = Client(task)
    began = time.monotonic()
    async with asyncio.timeout(OPENED_WITHIN):
        await client.open_sockets()
    _tell({"seconds": time.monotonic() - began})
    loop = asyncio.get_running_loop()
    while True:
        try:
            window: Window = await loop.run_in_executor(None, pickle.load, sys.stdin.buffer)
        except EOFError:
            return
        _tell((await client.send_until(window))._asdict())


def _tell(told: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


class Client:
    """All sockets, all connections that send, and what they have seen."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.frames: list[tuple[int, int]] = []  # when begun, how long under way
        self._free: collections.deque[Sender] = collections.deque()
        self._due: collections.deque[int] = collections.deque()
        self._answers: list[tuple[int, int]] = []
        self._statuses: collections.Counter[bytes] = collections.Counter()
        self._keys = count(secrets.randbits(62))
        self._busy = 0

    async def open_sockets(self) -> None:
        """Open every socket and wait for its `ready`."""
        turn = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._open(token, turn) for token in self.task.tokens))

    async def _open(self, token: str, turn: asyncio.Semaphore) -> None:
        loop = asyncio.get_running_loop()
        async with turn:
            _, receiver = await loop.create_connection(
                lambda: Receiver(token, self.frames), *self.task.address
            )
            await receiver.ready

    async def send_until(self, window: Window) -> Outcome:
        """Send at the rate until the window ends; then wait for what is under way."""
        self.frames.clear()
        self._answers.clear()
        self._statuses.clear()
        await self._connect()
        interval = int(1e9 / self.task.rate)
        # From the clock of the harness to ours, which does not jump.
        shift = time.monotonic_ns() - time.time_ns()
        begin, end = (int(moment * 1e9) + shift for moment in window)
        due, late = time.monotonic_ns(), 0
        while due < end:
            now = time.monotonic_ns()
            while due <= now:
                late = max(late, now - due)
                self._send(due)
                due += interval
            await asyncio.sleep(TICK)
        return await self._outcome(begin, end, late)

    async def _connect(self) -> None:
        """Connect anew: the server does not keep connections that idle from turn to turn."""
        loop = asyncio.get_running_loop()
        while self._free:
            self._free.pop().close()
        for _ in range(self.task.connections):
            _, sender = await loop.create_connection(
                lambda: Sender(self._answered), *self.task.address
            )
            self._free.append(sender)

    def _send(self, due: int) -> None:
        """Send on a free connection, or later: then it was begun when it was due."""
        if not self._free:
            self._due.append(due)
            return
        sender = self._free.popleft()
        self._busy += 1
        sender.send(self._request(), time.monotonic_ns(), next(self._keys))

    def _request(self) -> bytes:
        return self.task.requests[int(random() * len(self.task.requests))]

    def _answered(self, sender: "Sender", status: bytes) -> None:
        self._statuses[status] += 1
        self._answers.append((sender.begun, time.monotonic_ns() - sender.begun))
        if self._due:
            sender.send(self._request(), self._due.popleft(), next(self._keys))
        else:
            self._busy -= 1
            self._free.append(sender)

    async def _outcome(self, begin: int, end: int, late: int) -> Outcome:
        deadline = time.monotonic() + LAST_FRAMES
        while time.monotonic() < deadline and (  # noqa: ASYNC110 - asking costs receivers nothing
            self._busy or len(self.frames) < len(self._answers) * self.task.copies
        ):
            await asyncio.sleep(TICK)
        acked = self._statuses[b"201"]
        return Outcome(
            acked=acked,
            statuses={status.decode(): times for status, times in self._statuses.items()},
            lost=acked * self.task.copies - len(self.frames),
            late=late / 1e9,
            frames=_within(begin, end, self.frames),
            answers=_within(begin, end, self._answers),
        )


def _within(begin: int, end: int, seen: list[tuple[int, int]]) -> list[float]:
    return [taken / 1e9 for begun, taken in seen if begin <= begun < end]


class Sender(asyncio.Protocol):
    """One connection that sends messages."""

    def __init__(self, answered: Callable[["Sender", bytes], None]) -> None:
        self.begun = 0
        self._answered = answered
        self._partial = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self, request: bytes, begun: int, key: int) -> None:
        """Send one message."""
        self.begun = begun
        self._transport.write(request + body(begun, key))

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        data = self._partial + data
        if not whole(data):
            self._partial = data
            return
        self._partial = b""
        self._answered(self, data[9:12])


class Receiver(asyncio.Protocol):
    """One socket."""

    def __init__(self, token: str, frames: list[tuple[int, int]]) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._token = token
        self._frames = frames
        self._rest = b""
        self._upgraded = False
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self._transport.write(
            (
                "GET /v1/ws HTTP/1.1\r\nHost: bench\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        sys.exit("a socket was closed")

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if self._rest:
            data = self._rest + data
        if not self._upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            self._upgraded = True
            hello = json.dumps({"type": "hello", "token": self._token}).encode()
            self._write(TEXT, hello)
        at, end_at = 0, len(data)
        while end_at - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(data[start : start + 2]), start + 2
            elif length == 127:
                length, start = int.from_bytes(data[start : start + 8]), start + 8
            stop = start + length
            if start > end_at or stop > end_at:
                break
            if data[at] == TEXT:
                mark = data.find(MARK, start, stop) + len(MARK)
                if mark >= len(MARK):
                    begun = int(data[mark : mark + DIGITS])
                    self._frames.append((begun, now - begun))
                elif not self.ready.done() and data.find(b'"ready"', start, stop) > 0:
                    self.ready.set_result(None)
            elif data[at] == PING:
                self._write(PONG, data[start:stop])
            at = stop
        self._rest = data[at:]

    def _write(self, opcode: int, payload: bytes) -> None:
        length = len(payload)
        head = (
            bytes([opcode, 0x80 | length])
            if length < 126
            else (bytes([opcode, 0x80 | 126]) + length.to_bytes(2))
        )
        self._transport.write(head + MASKED + payload)


if __name__ == "__main__":
    main()
