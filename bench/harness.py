"""The bench: a server of its own, databases to measure in, rounds in which all arms take turns."""

import contextlib
import dataclasses
import math
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.error import URLError
from urllib.parse import urlsplit

import jwt
import psycopg
from psycopg import sql
from tqdm import tqdm

from bench import data, socket_client
from bench.http_client import Task, Window
from bench.loads import LEAD, SLACK, Http, Load, PgBench, Push, SocketClient
from bench.machine import CpuClock
from thin_api import embedded
from thin_api.migrate import Migrator

PEOPLE, GROUPS, SIZE = 10_000, 1_000, 5
TEMPLATE = "bench_template"
WARM_UP = 1.0  # seconds each arm runs before the first round, not measured
START_TIMEOUT = 60.0
SECRET = secrets.token_hex(32)

# Durable, and large enough that no checkpoint falls into one arm's turn and not into another's.
SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "maintenance_work_mem": "512MB",
    "max_connections": "200",
}

Connection = data.Connection


@dataclasses.dataclass(slots=True)
class Database:
    """One database and how many messages were acknowledged in it."""

    name: str
    dsn: str
    checked: bool  # whether everything written into it came through the functions
    rows: int = 0
    acked: int = 0

    def connect(self) -> Connection:
        """Connect as its owner, each statement a transaction."""
        return psycopg.connect(self.dsn, autocommit=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A thin layer that serves."""

    address: tuple[str, int]
    pid: int
    database: Database


@dataclasses.dataclass(frozen=True, slots=True)
class Arm:
    """One of the things compared."""

    name: str
    load: Load
    database: Database
    server: Server | None = None
    sends: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """What one arm did in one round; CPU in microseconds a call."""

    calls: int
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_server: float
    cpu_database: float
    cpu_client: float
    elsewhere: float  # share of the machine that others used meanwhile


@dataclasses.dataclass(frozen=True, slots=True)
class Ratio:
    """A figure of one arm divided by that of another, round by round."""

    name: str
    arm: str
    base: str
    figure: str = "rate"
    goal: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """The samples that answer a question, and how to read them."""

    samples: Mapping[str, Sequence[Sample]]
    ratios: Sequence[Ratio]
    notes: Sequence[str] = ()
    tables: Sequence[Sequence[Sequence[str]]] = ()  # of what is no arm


class Bench:
    """What a question works with."""

    def __init__(self, dsn: str, folder: Path, *, rounds: int, seconds: float) -> None:
        self.rounds = rounds
        self.seconds = seconds
        self._folder = folder
        self._admin: Connection = psycopg.connect(dsn, autocommit=True)
        self._dsn = dsn
        pid_file = folder / "postgres" / "postmaster.pid"
        self._postmaster = int(pid_file.read_text().split("\n", 1)[0])

    @property
    def connection(self) -> Connection:
        """A connection to the server."""
        return self._admin

    def prepare(self) -> None:
        """Make the template: migrated, with people and groups."""
        self._create(TEMPLATE, "template0")
        Migrator(self._dsn_of(TEMPLATE), report=lambda _: None).migrate()
        with psycopg.connect(self._dsn_of(TEMPLATE), autocommit=True) as connection:
            data.add_people(connection, PEOPLE)
            data.add_groups(connection, 1, GROUPS, size=SIZE, people=PEOPLE)
            connection.execute("vacuum analyze")

    @contextlib.contextmanager
    def database(
        self,
        name: str,
        change: Callable[[Connection], None] | None = None,
        *,
        checked: bool = True,
    ) -> Iterator[Database]:
        """Yield a copy of the template, changed; afterwards see that nothing is lost or wrong."""
        self._create(name, TEMPLATE)
        database = Database(name, self._dsn_of(name), checked)
        with database.connect() as connection:
            if change:
                change(connection)
                connection.execute("vacuum analyze")
            database.rows = _messages(connection)
        self._admin.execute("checkpoint")
        yield database
        with database.connect() as connection:
            verify(database, connection)
        self._admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    @contextlib.contextmanager
    def serving(
        self,
        database: Database,
        *,
        workers: int = 1,
        module: str = "thin_api",
        more: Mapping[str, str] | None = None,
    ) -> Iterator[Server]:
        """Run `parley serve` on a database, with the settings it has by default and some more."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            address: tuple[str, int] = free.getsockname()
        environment = {
            **{name: value for name, value in os.environ.items() if "PARLEY_" not in name},
            "DATABASE_URL": database.dsn,
            "PARLEY_JWT_SECRET": SECRET,
            "PARLEY_PORT": str(address[1]),
            "PARLEY_WORKERS": str(workers),
            **(more or {}),
        }
        with (self._folder / f"serve-{address[1]}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, "serve"], env=environment, stdout=log, stderr=log
            )
            try:
                _wait_until_ready(process, address)
                yield Server(address, process.pid, database)
            finally:
                process.terminate()
                process.wait()

    def compare(self, arms: Sequence[Arm]) -> dict[str, list[Sample]]:
        """Let the arms take turns, each round beginning with another one."""
        samples: dict[str, list[Sample]] = {arm.name: [] for arm in arms}
        with tqdm(total=len(arms) * (self.rounds + 1), leave=False, disable=None) as progress:
            for arm in arms:
                progress.set_description(f"warm-up: {arm.name}")
                self._measure(arm, WARM_UP)
                progress.update()
            for number in range(self.rounds):
                for arm in (*arms[number % len(arms) :], *arms[: number % len(arms)]):
                    progress.set_description(f"round {number + 1}: {arm.name}")
                    samples[arm.name].append(self._measure(arm, self.seconds))
                    progress.update()
        return samples

    def _measure(self, arm: Arm, seconds: float) -> Sample:
        begin = time.time() + LEAD
        window = Window(begin, begin + seconds)
        clock = CpuClock(self._postmaster, arm.server.pid if arm.server else None)
        running = arm.load.start(window, LEAD + seconds + SLACK)
        _sleep_until(window.begin)
        before, ours = clock.read(running.pid), time.process_time()
        _sleep_until(window.end)
        after, ours = clock.read(running.pid), time.process_time() - ours
        outcome = running.finish()
        if arm.sends:
            arm.database.acked += outcome.acked

        if not outcome.latencies:
            raise RuntimeError(f"{arm.name}: nothing was answered while we measured")
        used = [late - early for late, early in zip(after, before, strict=True)]
        return _sample(outcome.latencies, seconds, used, ours)

    def compare_jobs(self, arms: Sequence[Arm]) -> dict[str, list[Sample]]:
        """Let loads that end by themselves take turns, each round beginning with another one."""
        samples: dict[str, list[Sample]] = {arm.name: [] for arm in arms}
        with tqdm(total=len(arms) * self.rounds, leave=False, disable=None) as progress:
            for number in range(self.rounds):
                for arm in (*arms[number % len(arms) :], *arms[: number % len(arms)]):
                    progress.set_description(f"round {number + 1}: {arm.name}")
                    samples[arm.name].append(self._finish(arm))
                    progress.update()
        return samples

    def _finish(self, arm: Arm) -> Sample:
        """Measure a load that ends by itself, from its first call to its last answer."""
        window = Window(time.time() + LEAD, math.inf)
        clock = CpuClock(self._postmaster, arm.server.pid if arm.server else None)
        running = arm.load.start(window, math.inf)
        _sleep_until(window.begin)
        before, ours = clock.read(os.getpid()), time.process_time()
        outcome = running.finish()
        after, ours = clock.read(os.getpid()), time.process_time() - ours
        used = [late - early for late, early in zip(after, before, strict=True)]
        used[2] = outcome.cpu
        return _sample(outcome.latencies, outcome.end - window.begin, used, ours)

    def _create(self, name: str, template: str) -> None:
        self._admin.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )

    def _dsn_of(self, name: str) -> str:
        return urlsplit(self._dsn)._replace(path=f"/{name}").geturl()


@contextlib.contextmanager
def bench(*, rounds: int, seconds: float) -> Iterator[Bench]:
    """Yield a bench on a PostgreSQL of its own, in a temporary folder."""
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        embedded.running(Path(folder), extra=SETTINGS) as dsn,
    ):
        one = Bench(dsn, Path(folder), rounds=rounds, seconds=seconds)
        with one.connection:
            one.prepare()
            yield one


def _sample(
    latencies: Sequence[float], seconds: float, used: Sequence[float], ours: float
) -> Sample:
    calls = len(latencies)
    ordered = sorted(latencies)
    database, server, client, machine = used
    return Sample(
        calls=calls,
        rate=calls / seconds,
        p50_ms=1000 * statistics.median(ordered),
        p99_ms=1000 * ordered[int(calls * 0.99)],
        cpu_server=1e6 * server / calls,
        cpu_database=1e6 * database / calls,
        cpu_client=1e6 * client / calls,
        elsewhere=max(0.0, machine - database - server - client - ours)
        / (seconds * (os.cpu_count() or 1)),
    )


def verify(database: Database, connection: Connection) -> None:
    """See that every acknowledged message is there, and no other, and that all invariants hold."""
    rows = _messages(connection) - database.rows
    if rows != database.acked:
        raise RuntimeError(f"{database.name}: {rows} rows for {database.acked} acknowledged sends")
    if database.checked:
        violations = connection.execute("select * from api.check_invariants()").fetchall()
        if violations:
            raise RuntimeError(f"{database.name}: {violations[:5]}")


def from_sql(name: str, script: str, clients: int, database: Database, **more: Any) -> Arm:
    """Compare pgbench running a script; `role` says as whom, `sends` whether it writes messages."""
    sends = more.pop("sends", True)
    return Arm(name, PgBench(database.dsn, script, clients, **more), database, sends=sends)


def from_http(
    name: str, server: Server, requests: Sequence[bytes], connections: int = 32, *, sends: bool
) -> Arm:
    """Compare our client sending these requests; those that send messages get their keys."""
    load = Http(Task(server.address, requests, connections, keyed=sends))
    return Arm(name, load, server.database, server, sends=sends)


def from_sockets(
    name: str,
    server: Server,
    client: SocketClient,
    timed: Literal["frames", "answers"] = "frames",
) -> Arm:
    """Compare the sends of a socket client: how long to the answer, or to each frame."""
    return Arm(name, Push(client, timed), server.database, server)


@contextlib.contextmanager
def connected(server: Server, people: Sequence[int], **sending: Any) -> Iterator[SocketClient]:
    """Open a socket of each of these people; `sending` completes the client's task."""
    tokens = [token(number) for number in people]
    client = SocketClient(socket_client.Task(server.address, tokens, **sending))
    try:
        yield client
    finally:
        client.close()


def timed_requests(members: Sequence[tuple[int, int]]) -> list[bytes]:
    """Make a send, whole but for its body, for each group and member of it."""
    length = len(socket_client.body(0, 0))
    return [
        (
            f"POST /v1/conversations/{data.group(group)}/messages HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {token(person)}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        ).encode()
        for group, person in members
    ]


def send_requests(groups: Sequence[int]) -> list[bytes]:
    """Make a send by each member of these groups, whole but for the key's digits and the end."""
    body = b'{"content":"Shall we meet at the canal at one?","client_message_id":"'
    length = len(body) + 16 + 2
    return [
        (
            f"POST /v1/conversations/{data.group(number)}/messages HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {token(number + member)}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        ).encode()
        + body
        for number in groups
        for member in range(SIZE)
    ]


def history_requests(groups: Sequence[int]) -> list[bytes]:
    """Ask for the latest messages as each member of these groups."""
    return [
        (
            f"GET /v1/conversations/{data.group(number)}/messages?limit=50 HTTP/1.1\r\n"
            f"Host: bench\r\nAuthorization: Bearer {token(number + member)}\r\n\r\n"
        ).encode()
        for number in groups
        for member in range(SIZE)
    ]


def token(number: int) -> str:
    """Return a token of a person."""
    claims = {"sub": data.person(number), "exp": int(time.time()) + 86_400}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def _messages(connection: Connection) -> int:
    row = connection.execute("select count(*) from chat.messages").fetchone()
    return int(row[0]) if row else 0


def _wait_until_ready(process: "subprocess.Popen[bytes]", address: tuple[str, int]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(URLError, ConnectionError):
            urllib.request.urlopen(f"http://127.0.0.1:{address[1]}/ready").close()
            return
        time.sleep(0.1)
    raise RuntimeError("parley serve did not start")


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))
