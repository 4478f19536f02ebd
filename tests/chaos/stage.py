"""A durable PostgreSQL of its own, and servers before it that can be killed and frozen."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
from psycopg import sql

from tests.http.support import SECRET
from tests.support import wait_for
from thin_api import embedded
from thin_api.migrate import Migrator

TEMPLATE = "chaos_template"


class Stage:
    """The PostgreSQL, a template in it, and the databases of the plays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held = contextlib.ExitStack()
        self._server = self._held.enter_context(embedded.running(folder))
        self._numbers = iter(range(1, 1000))
        self._create(TEMPLATE, "template0")
        Migrator(self._address_of(TEMPLATE), report=lambda _: None).migrate()

    def database(self) -> str:
        """Make a migrated database; its address."""
        name = f"chaos_{next(self._numbers)}"
        self._create(name, TEMPLATE)
        return self._address_of(name)

    def crash(self) -> None:
        """Stop PostgreSQL as `pg_ctl stop -m immediate` does: no goodbye, nothing written."""
        pid = int((self.folder / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        postmaster = psutil.Process(pid)
        postmaster.send_signal(signal.SIGQUIT)
        postmaster.wait(60)

    def recover(self) -> None:
        """Start it again."""
        self._held.enter_context(embedded.running(self.folder))

    def close(self) -> None:
        """End it."""
        self._held.close()

    def _create(self, name: str, template: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )

    def _address_of(self, name: str) -> str:
        return urlsplit(self._server)._replace(path=f"/{name}").geturl()


class Server:
    """One `parley serve`: a process at one address, however often it is started."""

    program = ("thin_api", "serve")  # a module and its arguments

    def __init__(self, dsn: str, folder: Path, name: str, **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.name = name
        self._log = Log(folder / f"{name}-{self.port}.log")
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PARLEY_")},
            "DATABASE_URL": dsn,
            "PARLEY_JWT_SECRET": SECRET,
            "PARLEY_PORT": str(self.port),
            "PARLEY_MAINTAIN_EVERY": "1",
            "PARLEY_POOL_SIZE": "6",
            **settings,
        }

    def start(self) -> Self:
        """Start it and wait until it is ready."""
        with self._log.path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self.program],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        wait_for(self.is_ready, f"{self.name} to be ready, see {self._log.path}")
        return self

    def is_ready(self) -> bool:
        """Ask whether it serves."""
        with contextlib.suppress(httpx.TransportError):
            # Asked often: reading the certificates of the world each time would starve others.
            return httpx.get(f"{self.url}/ready", verify=False).is_success
        return False

    @property
    def pid(self) -> int:
        """The process that runs now, or ran last."""
        assert self._process
        return self._process.pid

    def kill(self) -> None:
        """Kill it without a warning."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def has_died(self) -> bool:
        """Tell whether its process has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        wait_for(self.is_frozen, f"{self.name} to freeze")

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process and self._process.poll() is None:
            self.thaw()
            self._process.terminate()
            self._process.wait()

    def is_frozen(self) -> bool:
        """Tell whether its process stands still."""
        assert self._process
        return bool(psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED)

    def told(self, event: str, **fields: Any) -> int:
        """Count the lines of its log that tell of this."""
        self._log.read()
        return sum(
            count
            for (name, reason), count in self._log.counts.items()
            if name == event and fields.get("reason", reason) == reason
        )

    def resyncs(self) -> Counter[str]:
        """Read from its metrics how often all sockets had to be brought up to date, and why."""
        found: Counter[str] = Counter()
        for line in httpx.get(f"{self.url}/metrics").text.splitlines():
            name, _, value = line.rpartition(" ")
            if name.startswith("parley_push_resyncs_total{"):
                found[name.split('"')[1]] += int(float(value))
        return found


class Log:
    """The log of a server: how often it told of what, for which reason."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[tuple[str, str | None]] = Counter()
        self.bugs: list[str] = []
        self._read = 0

    def read(self) -> None:
        """Read what has come since."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                self._take(line)

    def _take(self, line: bytes) -> None:
        if not line.startswith(b"{"):
            return
        told = json.loads(line)
        self.counts[told["event"], told.get("reason")] += 1


@contextlib.contextmanager
def serving(*servers: Server) -> Iterator[None]:
    """Start servers, and stop them whatever happened to them meanwhile."""
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            server.stop()
