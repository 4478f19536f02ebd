"""People whose doings are committed, as listeners hear of nothing else."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.listening import Listener
from tests.support import (
    Connection,
    Json,
    Racer,
    connect,
    new_group,
    new_user,
    send,
    violations,
)


@dataclass
class Scene:
    """A group of Ann, Bob and Cid; whoever listens or writes beside the others is let go after."""

    dsn: str
    db: Connection
    tables: Connection  # as whoever owns the server
    ann: str
    bob: str
    cid: str
    group: str
    _entered: list[Listener | Racer] = field(default_factory=list)

    def listener(self) -> Listener:
        """Let a new session listen."""
        self._entered.append(listener := Listener(self.dsn))
        return listener

    def writer(self) -> Racer:
        """Let a new session write, in transactions of its own."""
        self._entered.append(writer := Racer(self.dsn, "writer", "parley_api"))
        return writer

    def send(self, content: str, by: Connection | None = None) -> Json:
        """Let Ann send a message to the group."""
        return send(by or self.db, self.group, self.ann, content)

    def row(self, listener: Listener, columns: str) -> tuple[object, ...] | None:
        """Return what is stored of a listener."""
        return self.tables.execute(
            f"select {columns} from chat.listeners where lock_key = %s".encode(), [listener.id]
        ).fetchone()

    def backdate(self, listener: Listener, seconds: float) -> None:
        """Let a listener have looked so long ago."""
        self.tables.execute(
            "update chat.listeners set fetched_at = clock_timestamp() - make_interval(secs => %s)"
            " where lock_key = %s",
            [seconds, listener.id],
        )

    def leave(self) -> None:
        """Let everybody go and nothing be left."""
        for one in self._entered:
            one.close()
        self.tables.execute("delete from chat.listeners")
        self.tables.execute("truncate chat.outbox")


@pytest.fixture(scope="session")
def committed(template: str, empty_database: Callable[..., str]) -> str:
    """Make one database for all scenes."""
    return empty_database(template)


@pytest.fixture(scope="session")
def connections(committed: str) -> Iterator[tuple[Connection, Connection]]:
    """Keep a service's connection and an owner's for all scenes."""
    with connect(committed) as service, connect(committed, None) as owner:
        yield service, owner


@pytest.fixture
def scene(committed: str, connections: tuple[Connection, Connection]) -> Iterator[Scene]:
    """Set a scene; what must hold is checked when it is over."""
    db, tables = connections
    ann, bob, cid = (new_user(db, name) for name in ("Ann", "Bob", "Cid"))
    scene = Scene(committed, db, tables, ann, bob, cid, new_group(db, ann, bob, cid))
    limits = tables.execute("select listener_backlog, outbox_retention from chat.limits").fetchone()
    yield scene
    scene.leave()
    tables.execute("update chat.limits set (listener_backlog, outbox_retention) = (%s, %s)", limits)
    assert violations(db) == []


@pytest.fixture
def listener(scene: Scene) -> Listener:
    """Let one session listen."""
    return scene.listener()


@pytest.fixture
def writer(scene: Scene) -> Racer:
    """Let one session write in transactions of its own."""
    return scene.writer()
