"""What puts load on: pgbench against the database, our own client against HTTP."""

import dataclasses
import json
import math
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from bench import socket_client
from bench.http_client import Task, Window
from thin_api.embedded import PROGRAMS

LEAD = 1.0  # seconds before a measurement begins: connections, plans and caches get warm
SLACK = 0.3  # seconds a load goes on after the measurement's end


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What a load did."""

    acked: int  # answered well, also outside the window
    latencies: Sequence[float]  # seconds, of what was answered within the window
    end: float = math.nan  # of a load that has one: when it was done, in seconds since the epoch
    cpu: float = math.nan  # seconds of CPU time it took


class Running(Protocol):
    """A load under way."""

    @property
    def pid(self) -> int:
        """Return the process that makes the load."""

    def finish(self) -> Outcome:
        """Wait for its end."""


class Load(Protocol):
    """Something that can put load on."""

    def start(self, window: Window, length: float) -> Running:
        """Start it."""


@dataclasses.dataclass(frozen=True, slots=True)
class PgBench:
    """Some clients that run one script against a database without pause."""

    dsn: str
    script: str
    clients: int
    role: str = "parley_api"

    def start(self, window: Window, length: float) -> "RunningPgBench":
        """Start it: prepared statements, one thread, every transaction logged."""
        folder = tempfile.TemporaryDirectory(prefix="parley-pgbench-")
        script = Path(folder.name) / "script.sql"
        script.write_text(self.script)
        process = subprocess.Popen(
            [
                *(str(PROGRAMS / "bin" / "pgbench"), "--no-vacuum", "--protocol=prepared"),
                *(f"--client={self.clients}", "--jobs=1", "--log", f"--file={script}"),
                *(f"--time={math.ceil(length)}", f"--random-seed={int(window.begin * 1000)}"),
                self.dsn,
            ],
            cwd=folder.name,
            env={**os.environ, "PGOPTIONS": f"-c role={self.role}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return RunningPgBench(process, window, folder)


@dataclasses.dataclass(frozen=True, slots=True)
class RunningPgBench:
    """A pgbench under way."""

    process: "subprocess.Popen[str]"
    window: Window
    folder: "tempfile.TemporaryDirectory[str]"

    @property
    def pid(self) -> int:
        """Return its process."""
        return self.process.pid

    def finish(self) -> Outcome:
        """Wait for its end; a single failed transaction ends the measurement."""
        output, _ = self.process.communicate()
        figures = dict(line.split(": ", 1) for line in output.splitlines() if ": " in line)
        failed = figures.get("number of failed transactions", "").startswith("0 ")
        if self.process.returncode or not failed:
            raise RuntimeError(f"pgbench failed:\n{output}")
        with self.folder:
            return Outcome(
                acked=int(figures["number of transactions actually processed"]),
                latencies=list(self._latencies()),
            )

    def _latencies(self) -> Iterator[float]:
        for file in Path(self.folder.name).glob("pgbench_log.*"):
            for line in file.read_text().splitlines():
                _, _, taken, _, seconds, micros = line.split()[:6]
                if self.window.begin <= int(seconds) + int(micros) / 1e6 < self.window.end:
                    yield int(taken) / 1e6


@dataclasses.dataclass(frozen=True, slots=True)
class Http:
    """Our HTTP client with a task."""

    task: Task

    def start(self, window: Window, length: float) -> "RunningHttp":  # noqa: ARG002
        """Start it in a process of its own."""
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.http_client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        pickle.dump((self.task, window), process.stdin)
        process.stdin.close()
        return RunningHttp(process)


@dataclasses.dataclass(frozen=True, slots=True)
class RunningHttp:
    """Our HTTP client under way."""

    process: "subprocess.Popen[bytes]"

    @property
    def pid(self) -> int:
        """Return its process."""
        return self.process.pid

    def finish(self) -> Outcome:
        """Wait for its end; anything but success ends the measurement."""
        assert self.process.stdout is not None
        output = self.process.stdout.read()
        if self.process.wait():
            raise RuntimeError("the HTTP client failed")
        told = json.loads(output)
        if set(told["statuses"]) - {"200", "201"}:
            raise RuntimeError(f"not every request was answered well: {told['statuses']}")
        done = {name: told[name] for name in ("end", "cpu") if name in told}
        return Outcome(sum(told["statuses"].values()), told["latencies"], **done)


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """A load of our HTTP client that ends: what `make` gives is sent once, in order."""

    address: tuple[str, int]
    make: Callable[[], Sequence[bytes]]
    connections: int

    def start(self, window: Window, length: float) -> RunningHttp:
        """Start it."""
        task = Task(self.address, self.make(), self.connections, once=True)
        return Http(task).start(window, length)


class SocketClient:
    """A process that holds sockets open, and sends at a steady rate when told."""

    def __init__(self, task: socket_client.Task) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.socket_client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.give(task)
        self.seconds: float = self.take()["seconds"]  # until every socket was ready

    @property
    def pid(self) -> int:
        """Return its process."""
        return self._process.pid

    def give(self, one: Any) -> None:
        """Write to it."""
        assert self._process.stdin is not None
        pickle.dump(one, self._process.stdin)
        self._process.stdin.flush()

    def take(self) -> dict[str, Any]:
        """Read its next answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the socket client failed")
        told: dict[str, Any] = json.loads(line)
        return told

    def close(self) -> None:
        """Close the sockets."""
        self._process.kill()
        self._process.communicate()


@dataclasses.dataclass(frozen=True, slots=True)
class Push:
    """Sends of a socket client, timed until they are answered or until their frames came."""

    client: SocketClient
    timed: Literal["frames", "answers"]

    def start(self, window: Window, length: float) -> "RunningPush":  # noqa: ARG002
        """Start sending."""
        self.client.give(window)
        return RunningPush(self)


@dataclasses.dataclass(frozen=True, slots=True)
class RunningPush:
    """Sends under way."""

    push: Push

    @property
    def pid(self) -> int:
        """Return the process that sends and receives."""
        return self.push.client.pid

    def finish(self) -> Outcome:
        """Wait for their end; a frame that does not come ends the measurement."""
        told = self.push.client.take()
        if set(told["statuses"]) - {"201"} or told["lost"]:
            raise RuntimeError(f"{told['lost']} frames lost, answers: {told['statuses']}")
        return Outcome(told["acked"], told[self.push.timed])
