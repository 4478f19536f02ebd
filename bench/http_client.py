"""The HTTP load generator: one process, raw sockets, epoll, no pipelining, hardly any Python.

What it costs is stated beside each figure; asyncio or an HTTP library would take several times as
much from the cores that the server needs. Of an answer it reads status and length only.
"""

import collections
import json
import pickle
import secrets
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count
from random import random
from typing import Any, NamedTuple

RECEIVED = 65_536


class Window(NamedTuple):
    """When to measure, in seconds since the epoch."""

    begin: float
    end: float


class Task(NamedTuple):
    """Some connections that send requests without pause, each when its last one is answered.

    Keyed requests lack their end: 16 hexadecimal digits, so that each send has a client_message_id
    of its own, and the body's last two characters. Once: each request is sent once, in order, from
    the window's beginning on, and its end is when the last one is answered.
    """

    address: tuple[str, int]
    requests: Sequence[bytes]
    connections: int
    keyed: bool = False
    once: bool = False


def main() -> None:
    """Read the task from standard input, write statuses and latencies to standard output."""
    task, window = pickle.load(sys.stdin.buffer)  # types of the module as imported, not as run
    statuses, latencies = drive(task, window)
    told: dict[str, Any] = {"statuses": statuses, "latencies": latencies}
    if task.once:
        told |= {"end": time.time(), "cpu": time.process_time()}
    json.dump(told, sys.stdout)


def drive(task: Task, window: Window) -> tuple[dict[str, int], list[float]]:
    """Keep every connection busy until the window ends, then let the last answers come."""
    requests = iter(task.requests) if task.once else _requests(task)
    statuses: collections.Counter[bytes] = collections.Counter()
    latencies: list[float] = []
    begin, end = window.begin, window.end
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    sent: dict[int, float] = {}
    partial: dict[int, bytes] = {}
    for _ in range(task.connections):
        connection = socket.create_connection(task.address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = connection.fileno()
        sockets[number] = connection
        poll.register(number, select.EPOLLIN)
    if task.once:
        time.sleep(max(0.0, begin - time.time()))
    for number, connection in sockets.items():
        sent[number] = time.time()
        connection.sendall(next(requests))
    while sockets:
        for number, _ in poll.poll():
            connection = sockets[number]
            data = connection.recv(RECEIVED)
            if not data:
                raise ConnectionError("the server hung up")
            if number in partial:
                data = partial.pop(number) + data
            if not whole(data):
                partial[number] = data
                continue
            now = time.time()
            statuses[data[9:12]] += 1
            if begin <= now < end:
                latencies.append(now - sent[number])
            request = next(requests, None) if now < end else None
            if request is not None:
                sent[number] = now
                connection.sendall(request)
            else:
                poll.unregister(number)
                sockets.pop(number).close()
    return {status.decode(): times for status, times in statuses.items()}, latencies


def _requests(task: Task) -> Iterator[bytes]:
    """Yield one request after the other, chosen at random as pgbench's scripts choose."""
    chosen, size = task.requests, len(task.requests)
    for key in count(secrets.randbits(62)):
        request = chosen[int(random() * size)]
        yield request + b'%016x"}' % key if task.keyed else request


def whole(data: bytes) -> bool:
    """Tell whether an answer has come to its end."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = data.find(b"content-length: ", 0, head) + 16
    if at < 16:
        if data.find(b"transfer-encoding: chunked", 0, head) < 0:
            raise ValueError("an answer without content-length")
        return data.endswith(b"\r\n0\r\n\r\n")
    return len(data) - head - 4 >= int(data[at : data.index(b"\r", at)])


if __name__ == "__main__":
    main()
