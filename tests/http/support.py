"""A real server for the HTTP tests, its callers, and a link to the database that can be broken."""

import asyncio
import contextlib
import dataclasses
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import jwt
from psycopg.conninfo import conninfo_to_dict

from tests.served import served
from tests.support import connect, new_group, new_user, wait_for
from thin_api import wire
from thin_api.app import create_app
from thin_api.settings import Settings

SECRET = "a secret for tests, long enough for HS256"
JSON = {"Content-Type": "application/json"}


@dataclasses.dataclass(frozen=True)
class Site:
    """A running server, and how to talk to it."""

    url: str
    dsn: str

    def caller(self, token: str | None = None, **headers: str) -> httpx.Client:
        """Make a client with a token."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def user(self, user_id: str) -> httpx.Client:
        """Make a client of one user."""
        return self.caller(token(user_id))

    def service(self, actor_id: str | None = None) -> httpx.Client:
        """Make a client of a trusted service."""
        headers = {"X-Actor-Id": actor_id} if actor_id else {}
        return self.caller(token(None, role="service"), **headers)


def token(user_id: str | None, secret: str = SECRET, **claims: Any) -> str:
    """Sign a token; a claim that is None is left out."""
    now = int(time.time())
    every = {"sub": user_id, "iat": now, "exp": now + 3600, **claims}
    given = {name: value for name, value in every.items() if value is not None}
    return jwt.encode(given, secret, algorithm="HS256")


def settings_for(dsn: str, **changes: Any) -> Settings:
    """Make the settings of a test server."""
    return Settings(**{"database_url": dsn, "jwt_secret": SECRET, "pool_size": 4, **changes})


@contextlib.contextmanager
def serving(settings: Settings, *, ready: bool = True) -> Iterator[Site]:
    """Run a server in a thread."""
    config = {"lifespan": "on", "timeout_graceful_shutdown": 5, **wire.SERVER}
    with served(create_app(settings), **config) as url:
        if ready:
            wait_for(lambda: httpx.get(f"{url}/ready").is_success, "the server to be ready")
        yield Site(url, settings.database_url or "")


@dataclasses.dataclass(frozen=True)
class People:
    """Two members of a group, somebody who is not, and their clients."""

    ada: str
    bo: str
    eve: str
    group: str
    as_ada: httpx.Client
    as_bo: httpx.Client
    as_eve: httpx.Client
    as_service: httpx.Client

    @property
    def messages(self) -> str:
        """Return the path of the group's messages."""
        return f"/v1/conversations/{self.group}/messages"


@contextlib.contextmanager
def populated(site: Site) -> Iterator[People]:
    """Make people in a site's database, and clients for them."""
    with connect(site.dsn) as connection:
        ada, bo, eve = (new_user(connection, name) for name in ("Ada", "Bo", "Eve"))
        group = new_group(connection, ada, bo)
    with (
        site.user(ada) as as_ada,
        site.user(bo) as as_bo,
        site.user(eve) as as_eve,
        site.service() as as_service,
    ):
        yield People(ada, bo, eve, group, as_ada, as_bo, as_eve, as_service)


def check_refusal(response: httpx.Response, status: int, error: str) -> Any:
    """Check a refusal's status and shape; its details."""
    body = response.json()
    assert (response.status_code, body["error"]) == (status, error), body
    assert body.keys() == {"success", "error", "code", "message", "details", "hint"}
    assert body["success"] is False
    assert response.headers["x-request-id"]
    if status in (429, 503):
        assert int(response.headers["retry-after"]) > 0
    return body["details"]


def raw_exchange(url: str, request: bytes, *, more: bytes = b"") -> bytes:
    """Send bytes as they are; whatever comes back until the server closes."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        if more:
            connection.sendall(more)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


class Link:
    """A TCP link to a database that can be cut, held and healed."""

    def __init__(self, dsn: str) -> None:
        self._target = conninfo_to_dict(dsn)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._up = True
        self._lost = b""
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._join, "127.0.0.1", 0))
        port = self._server.sockets[0].getsockname()[1]
        parts = {**self._target, "host": "127.0.0.1", "port": port, "sslmode": "disable"}
        name = str(parts.pop("dbname"))
        self.dsn = f"postgresql:///{quote(name)}?{urlencode(parts, quote_via=quote)}"

    def cut(self) -> None:
        """Break every connection and accept no new one."""
        self._up = False
        self._do(self._break())

    def heal(self) -> None:
        """Accept connections again."""
        self._up = True

    def lose_answer(self, marker: bytes) -> None:
        """Break a connection instead of passing on the next answer that holds this."""
        self._lost = marker

    def close(self) -> None:
        """End it."""
        self.cut()
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _stop(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _break(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._up:
            writer.transport.abort()
            return
        host, port = str(self._target["host"]), int(self._target.get("port") or 5432)
        if host.startswith("/"):
            path = f"{host}/.s.PGSQL.{port}"
            there, answer = await asyncio.open_unix_connection(path)
        else:
            there, answer = await asyncio.open_connection(host, port)
        self._writers |= {writer, answer}
        await asyncio.gather(
            self._copy(reader, answer, answers=False), self._copy(there, writer, answers=True)
        )
        self._writers -= {writer, answer}

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if answers and self._lost and self._lost in data:
                    self._lost = b""
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


def new_id() -> str:
    """Make an id nobody has."""
    return str(uuid.uuid4())
