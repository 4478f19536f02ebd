"""One server a session, a template migrated once, and a clone of it for whoever must commit."""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support import Connection, Racer, connect, violations
from thin_api import embedded
from thin_api.migrate import Migrator

# Durability is not what these tests are about.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
}


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Yield a server: TEST_DATABASE_URL, a container of image TEST_CONTAINER, or the embedded."""
    if address := os.environ.get("TEST_DATABASE_URL"):
        yield address
    elif image := os.environ.get("TEST_CONTAINER"):
        from testcontainers.postgres import PostgresContainer

        with PostgresContainer(image, driver=None) as container:
            yield container.get_connection_url()
    else:
        # Not pytest's folder: each new session of pytest takes away what opens it to the server.
        with (
            tempfile.TemporaryDirectory(prefix="parley-test-") as folder,
            embedded.running(Path(folder), extra=FAST) as dsn,
        ):
            yield dsn


@pytest.fixture(scope="session")
def empty_database(server: str) -> Iterator[Callable[..., str]]:
    """Make databases: empty ones, or clones; all are dropped in the end."""
    made: list[str] = []

    def make(template: str = "template0") -> str:
        name = f"parley_test_{uuid.uuid4().hex[:12]}"
        _run(server, "create database {} template {} encoding 'UTF8'", name, template)
        made.append(name)
        return address_of(server, name)

    yield make
    for name in made:
        _run(server, "drop database if exists {} with (force)", name)


@pytest.fixture(scope="session")
def template(empty_database: Callable[..., str]) -> str:
    """Return the name of a migrated database that nobody is connected to."""
    dsn = empty_database()
    Migrator(dsn, report=lambda _: None).migrate()
    return conninfo_to_dict(dsn)["dbname"]  # type: ignore[return-value]


@pytest.fixture
def fresh_database(server: str, template: str, empty_database: Callable[..., str]) -> Iterator[str]:
    """Yield a migrated database of its own to a test that commits."""
    dsn = empty_database(template)
    yield dsn
    _run(server, "drop database if exists {} with (force)", str(conninfo_to_dict(dsn)["dbname"]))


@pytest.fixture(scope="session")
def shared_database(template: str, empty_database: Callable[..., str]) -> str:
    """Return the migrated database of the tests that roll back."""
    return empty_database(template)


@pytest.fixture
def db(shared_database: str) -> Iterator[Connection]:
    """Yield a connection as parley_api whose transaction is rolled back after the test."""
    with connect(shared_database, None, autocommit=False) as connection:
        connection.execute("set local role parley_api")
        yield connection
        connection.rollback()


@pytest.fixture
def race(fresh_database: str) -> Iterator[Callable[..., Racer]]:
    """Make named connections to one database; what must hold is checked when they are done."""
    racers: list[Racer] = []

    def enter(name: str, role: str | None = "parley_api") -> Racer:
        racers.append(Racer(fresh_database, name, role))
        return racers[-1]

    yield enter
    for racer in racers:
        racer.close()
    with connect(fresh_database) as connection:
        assert violations(connection) == []


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Take every setting of Parley out of the environment, and keep its data out of the project."""
    for name in list(os.environ):
        if name.startswith("PARLEY_") or name == "DATABASE_URL":
            monkeypatch.delenv(name)
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    return monkeypatch


def address_of(server: str, database: str) -> str:
    """Return the server's address with another database in it, as a URL any driver reads."""
    parts = conninfo_to_dict(server)
    parts.pop("dbname", None)
    return f"postgresql:///{quote(database)}?{urlencode(parts, quote_via=quote)}"


def _run(server: str, statement: str, *names: str) -> None:
    with psycopg.connect(make_conninfo(server), autocommit=True) as connection:
        quoted = [sql.Identifier(name) for name in names]
        connection.execute(sql.SQL(statement).format(*quoted))
