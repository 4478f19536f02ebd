"""What tests of several folders say: calls, people and conversations, waiting, and races."""

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

Connection = psycopg.Connection[Any]
Json = dict[str, Any]

PATIENCE = 60.0  # seconds for what takes milliseconds, on a busy machine
LOOKS = (0.005, 0.05)  # seconds between two looks at what is waited for: at first, and in the end


def connect(dsn: str, role: str | None = "parley_api", *, autocommit: bool = True) -> Connection:
    """Connect, working as a role of Parley (None: as the login itself, who may read the tables)."""
    connection = psycopg.connect(dsn, autocommit=autocommit)
    if role:
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        if not autocommit:
            connection.commit()
    return connection


def call(connection: Connection, function: str, **arguments: Any) -> Any:
    """Call an api function with named arguments; `p_` may be left out."""
    names = [name if name.startswith("p_") else f"p_{name}" for name in arguments]
    query = sql.SQL("select api.{}({})").format(
        sql.Identifier(function),
        sql.SQL(", ").join(sql.SQL("{} => %s").format(sql.Identifier(name)) for name in names),
    )
    row = connection.execute(query, [_adapted(value) for value in arguments.values()]).fetchone()
    assert row is not None
    return row[0]


def succeed(connection: Connection, function: str, **arguments: Any) -> Json:
    """Call a function that must succeed."""
    result: Json = call(connection, function, **arguments)
    assert result["success"] is True, result
    return result


def refuse(connection: Connection, code: str, function: str, **arguments: Any) -> Json:
    """Call a function that must refuse with this code."""
    result: Json = call(connection, function, **arguments)
    assert (result["success"], result.get("error")) == (False, code), result
    return result


def new_tenant(connection: Connection, name: str = "A tenant") -> str:
    """Make a tenant; its id."""
    tenant_id = str(uuid.uuid4())
    succeed(connection, "upsert_tenant_atomic", tenant_id=tenant_id, name=name)
    return tenant_id


def new_user(connection: Connection, name: str = "Somebody", **fields: Any) -> str:
    """Make a user; their id."""
    user_id: str = succeed(
        connection, "upsert_user_atomic", **{"display_name": name, "kind": "person", **fields}
    )["user_id"]
    return user_id


def new_users(connection: Connection, count: int, **fields: Any) -> list[str]:
    """Make several users; their ids."""
    return [new_user(connection, f"User {number}", **fields) for number in range(1, count + 1)]


def new_direct(connection: Connection, one: str, other: str) -> str:
    """Open a direct conversation; its id."""
    conversation_id: str = succeed(
        connection,
        "create_conversation_atomic",
        kind="direct",
        actor_id=one,
        member_ids=[other],
    )["conversation_id"]
    return conversation_id


def new_group(connection: Connection, owner: str, *members: str, title: str = "A group") -> str:
    """Open a group; its id."""
    conversation_id: str = succeed(
        connection,
        "create_conversation_atomic",
        kind="group",
        actor_id=owner,
        member_ids=list(members),
        title=title,
    )["conversation_id"]
    return conversation_id


def send(
    connection: Connection, conversation_id: str, sender: str, content: str, **more: Any
) -> Json:
    """Send a message; the message."""
    message: Json = succeed(
        connection,
        "send_message_atomic",
        conversation_id=conversation_id,
        actor_id=sender,
        content=content,
        **more,
    )["message"]
    return message


def new_channel(connection: Connection, tenant_id: str, **fields: Any) -> Json:
    """Open a channel to WhatsApp; the channel."""
    given = {"provider": "whatsapp", "address": "1001", "display_name": "Our shop", **fields}
    result = succeed(connection, "upsert_channel_atomic", tenant_id=tenant_id, **given)
    channel: Json = result["channel"]
    return channel


def receive(
    connection: Connection,
    channel: Json,
    content: str | None = "hello",
    contact: Json | str = "+491701234567",
    **more: Any,
) -> Json:
    """Let a contact, by default one known by this number, write to a channel; what it answers."""
    return succeed(
        connection,
        "receive_message_atomic",
        **{
            "provider": channel["provider"],
            "address": channel["address"],
            "provider_message_id": f"wamid.{uuid.uuid4().hex}",
            "contact": {"phone": contact} if isinstance(contact, str) else contact,
            "display_name": "Con",
            "content": content,
            **more,
        },
    )


def violations(connection: Connection) -> list[tuple[Any, ...]]:
    """What check_invariants() finds."""
    rows: list[tuple[Any, ...]] = connection.execute(
        "select invariant, conversation_id, details from api.check_invariants()"
    ).fetchall()
    return rows


def wait_for(condition: Callable[[], Any], what: str = "a condition") -> Any:
    """Ask until the answer is true; fail when it stays false."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    seconds, longest = LOOKS
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s for {what}"
        pause.wait(seconds)
        # To look costs more than to wait: a server that starts needs the processor more than we do.
        seconds = min(seconds * 1.5, longest)
    return answer


class Racer:
    """One connection of a race; what it starts goes on beside the others."""

    def __init__(self, dsn: str, name: str, role: str | None) -> None:
        self.name = name
        self.connection = connect(dsn, role)
        self.connection.execute("select set_config('lock_timeout', '30s', false)")
        self.pid = self.connection.info.backend_pid
        self._watcher = connect(dsn, None)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._running: Future[Any] | None = None

    def begin(self) -> Self:
        """Open a transaction."""
        self.connection.execute("begin")
        return self

    def commit(self) -> None:
        """Commit it."""
        self.connection.execute("commit")

    def rollback(self) -> None:
        """Roll it back."""
        self.connection.execute("rollback")

    def call(self, function: str, **arguments: Any) -> Any:
        """Call a function and wait for the answer."""
        return call(self.connection, function, **arguments)

    def start(self, function: str, **arguments: Any) -> Future[Any]:
        """Call a function without waiting for the answer."""
        self._running = self._thread.submit(call, self.connection, function, **arguments)
        return self._running

    def start_blocked(self, function: str, **arguments: Any) -> Future[Any]:
        """Call a function that must get stuck behind somebody's lock, and see it there."""
        running = self.start(function, **arguments)
        wait_for(lambda: running.done() or self.is_blocked(), f"{self.name} to wait for a lock")
        assert not running.done(), f"{self.name} did not wait: {running.result()}"
        return running

    def is_blocked(self) -> bool:
        """Tell whether another transaction holds what this one wants."""
        row = self._watcher.execute("select pg_blocking_pids(%s) <> '{}'", [self.pid]).fetchone()
        return bool(row and row[0])

    def close(self) -> None:
        """End it, whatever it is doing."""
        if self._running and not self._running.done():
            self.connection.cancel_safe()
        self._thread.shutdown()
        self.connection.close()
        self._watcher.close()


def at_once(tasks: Iterable[Callable[[], Any]]) -> list[Any]:
    """Run the tasks together, released at the same moment; their results in order."""
    todo = list(tasks)
    gate = threading.Barrier(len(todo))

    def run(task: Callable[[], Any]) -> Any:
        gate.wait(PATIENCE)
        return task()

    with ThreadPoolExecutor(len(todo)) as threads:
        return list(threads.map(run, todo))


def _adapted(value: Any) -> Any:
    """Let the function's own argument type decide: objects are json, lists of ids an array."""
    if isinstance(value, dict):
        return Jsonb(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if any(isinstance(one, dict) for one in value):
            return Jsonb(list(value))
        return "{" + ",".join("null" if one is None else f'"{one}"' for one in value) + "}"
    return value
