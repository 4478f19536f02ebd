"""Servers whose hub can be held, and clients of their sockets that say what they got."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest import mock

import httpx
import websockets.exceptions
from websockets.sync.client import ClientConnection, connect

from tests.http.support import Site, serving, settings_for, token
from tests.support import PATIENCE, Connection, Json, new_direct, new_user, send, succeed
from tests.support import connect as connect_database
from thin_api.hub import Hub, Subscriber
from thin_api.listener import Listener, Look

NUMBERED = (
    "message_created",
    "message_edited",
    "message_deleted",
    "reaction_added",
    "reaction_removed",
    "member_added",
    "member_removed",
    "role_changed",
    "conversation_updated",
    "conversation_closed",
    "conversation_reopened",
    "skip",
)


class Stage:
    """A running server, its hub, its database, people, and the sockets a test opens."""

    def __init__(self, site: Site, hub: Hub, dsn: str, stack: contextlib.ExitStack) -> None:
        self.site = site
        self.hub = hub
        self.db: Connection = stack.enter_context(connect_database(dsn))
        self.operator: Connection = stack.enter_context(connect_database(dsn, None))
        self.stack = stack
        self.stop: Callable[[], None] = _not_ours
        self._ringer = new_user(self.db, "Ringer")
        self._ringers: dict[str, str] = {}  # of other tenants
        self._bells: dict[str, str] = {}

    def person(self, name: str = "Somebody", **fields: Any) -> str:
        """Make a user, who can be told something that comes after all that was before; their id."""
        user_id = new_user(self.db, name, **fields)
        self._bells[user_id] = new_direct(self.db, user_id, self._ringer)
        return user_id

    def add_bell(self, user_id: str, tenant_id: str) -> None:
        """Let a user of another tenant be told something, too."""
        ringer = self._ringers.get(tenant_id) or new_user(self.db, "Ringer", tenant_id=tenant_id)
        self._ringers[tenant_id] = ringer
        self._bells[user_id] = new_direct(self.db, user_id, ringer)

    def people(self, count: int) -> list[str]:
        """Make several."""
        return [self.person(f"Person {number}") for number in range(1, count + 1)]

    def call(self, function: str, **arguments: Any) -> Any:
        """Call a function that must succeed, from another process as far as the server can see."""
        return succeed(self.db, function, **arguments)

    def send(self, conversation_id: str, sender: str, content: str, **more: Any) -> Json:
        """Send a message; the message."""
        return send(self.db, conversation_id, sender, content, **more)

    def send_many(self, conversation_id: str, sender: str, *texts: str) -> None:
        """Send up to a hundred messages in one transaction."""
        messages = [
            {"p_conversation_id": conversation_id, "p_actor_id": sender, "p_content": text}
            for text in texts
        ]
        results = self.call("send_messages_atomic", messages=messages)["results"]
        assert all(result["success"] for result in results), results

    def add(self, conversation_id: str, owner: str, *members: str) -> None:
        """Add members."""
        self.call(
            "add_members_atomic",
            conversation_id=conversation_id,
            actor_id=owner,
            member_ids=list(members),
        )

    def remove(self, conversation_id: str, actor: str, member: str) -> None:
        """Remove a member, or let one leave."""
        self.call(
            "remove_member_atomic", conversation_id=conversation_id, actor_id=actor, user_id=member
        )

    def changes(self, conversation_id: str, reader: str, after_seq: int = 0) -> list[Json]:
        """Return what list_changes gives."""
        changes: list[Json] = self.call(
            "list_changes", conversation_id=conversation_id, actor_id=reader, after_seq=after_seq
        )["changes"]
        return changes

    def limit(self, name: str, value: int) -> None:
        """Change a limit."""
        self.operator.execute(f"update chat.limits set {name} = %s", [value])

    def ring(self, user_id: str) -> str:
        """Send to a user's own bell; the message's id."""
        bell = self._bells[user_id]
        row = self.operator.execute(
            "select m.user_id::text from chat.members m"
            " where m.conversation_id = %s and m.user_id <> %s",
            [bell, user_id],
        ).fetchone()
        assert row
        message_id: str = self.send(bell, row[0], "so far")["id"]
        return message_id

    def hide_bell(self, user_id: str) -> str | None:
        """Return the conversation whose frames are no part of the test."""
        return self._bells.get(user_id)

    def connect(self, **options: Any) -> "Socket":
        """Connect a WebSocket and say nothing."""
        options = {"compression": None, "proxy": None, "ping_interval": None, **options}
        uri = self.site.url.replace("http://", "ws://") + "/v1/ws"
        return Socket(self, self.stack.enter_context(connect(uri, **options)))

    def socket(
        self, user_id: str, cursors: Mapping[str, int] | None = None, **options: Any
    ) -> "Socket":
        """Open a WebSocket up to its `ready`."""
        socket = self.connect(**options)
        socket.hello(user_id, cursors)
        socket.read_ready()
        return socket

    def stream(self, user_id: str | None, **options: Any) -> "Stream":
        """Open a stream up to its `ready`."""
        stream = self.open_stream(user_id, **options)
        stream.read_ready()
        return stream

    def open_stream(
        self,
        user_id: str | None,
        *,
        headers: Mapping[str, str] | None = None,
        **query: str,
    ) -> "Stream":
        """Open a stream and read nothing of it."""
        client = self.stack.enter_context(httpx.Client(base_url=self.site.url, timeout=PATIENCE))
        given = dict(headers or {})
        if user_id is not None:
            given.setdefault("Authorization", f"Bearer {token(user_id)}")
        response = self.stack.enter_context(
            client.stream("GET", "/v1/events", params=query, headers=given)
        )
        return Stream(self, response, user_id)

    def metric(self, name: str) -> float:
        """Return the sum of a metric's samples whose line begins like this."""
        lines = httpx.get(f"{self.site.url}/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    def listeners(self) -> list[int]:
        """Return the process ids of the sessions that listen."""
        rows = self.operator.execute(
            "select a.pid from pg_stat_activity a join chat.listeners l on l.backend_pid = a.pid"
            " where a.application_name = 'parley listener'"
            " and a.datname = current_database()"
        ).fetchall()
        return [row[0] for row in rows]

    def end_listeners(self) -> list[int]:
        """End the sessions that listen; their process ids."""
        ended = self.listeners()
        self.operator.execute("select pg_terminate_backend(pid, 5000) from unnest(%s) pid", [ended])
        return ended


class Reader:
    """What clients of both kinds of sockets have: frames one by one, and those up to now."""

    user_id: str | None = None
    stage: Stage
    ready: Json

    def take(self, timeout: float = PATIENCE) -> Json:
        """Return the next frame, whichever."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave."""
        raise NotImplementedError

    def read_ready(self) -> Json:
        """Read the answer to hello."""
        self.ready = self.take()
        assert self.ready["type"] == "ready", self.ready
        self.user_id = self.ready["user_id"]
        return self.ready

    def next(self) -> Json:
        """Return the next frame that is no bell."""
        bell = self.stage.hide_bell(self.user_id or "")
        while (frame := self.take()).get("conversation_id") == bell and bell is not None:
            pass
        return frame

    def until(self, last: Callable[[Json], Any]) -> list[Json]:
        """Return the frames up to one of this kind."""
        frames = [self.next()]
        while not last(frames[-1]):
            frames.append(self.next())
        return frames

    def until_seq(self, conversation_id: str, seq: int) -> list[Json]:
        """Return the frames up to a number of a log."""
        return self.until(lambda frame: place(frame) == (conversation_id, seq))

    def so_far(self) -> list[Json]:
        """Return what has come of all that happened until now."""
        assert self.user_id
        marker = self.stage.ring(self.user_id)
        bell, frames = self.stage.hide_bell(self.user_id), []
        while not is_message(frame := self.take(), marker):
            if frame.get("conversation_id") != bell:
                frames.append(frame)
        return frames


class Socket(Reader):
    """A WebSocket."""

    def __init__(self, stage: Stage, connection: ClientConnection) -> None:
        self.stage = stage
        self.connection = connection

    def hello(self, user_id: str, cursors: Mapping[str, int] | None = None, **claims: Any) -> None:
        """Say hello."""
        self.user_id = user_id
        given = {} if cursors is None else {"cursors": dict(cursors)}
        self.tell({"type": "hello", "token": token(user_id, **claims), **given})

    def tell(self, frame: Any) -> None:
        """Send a frame."""
        self.connection.send(json.dumps(frame))

    def ask(self, frame: Any) -> Json:
        """Send a frame that is answered; the answer."""
        self.tell(frame)
        return self.next()

    def take(self, timeout: float = PATIENCE) -> Json:
        text = self.connection.recv(timeout=timeout)
        assert isinstance(text, str)
        frame: Json = json.loads(text)
        return frame

    def end(self) -> tuple[list[Json], int | None]:
        """Return what came until the server closed, and the code it closed with."""
        frames = []
        try:
            while True:
                frames.append(self.take())
        except websockets.exceptions.ConnectionClosed as closed:
            return frames, closed.rcvd.code if closed.rcvd else None

    def code(self) -> int | None:
        """Return the code it is closed with."""
        return self.end()[1]

    def refusal(self) -> tuple[Any, int | None]:
        """Return the error told before the server closed, and the code it closed with."""
        frames, code = self.end()
        assert frames, code
        assert frames[-1]["type"] == "error", frames
        assert frames[-1].keys() <= {"type", "error", "message", "details"}
        assert frames[-1]["message"]
        return frames[-1]["error"], code

    def close(self) -> None:
        """Leave."""
        self.connection.close()


class Stream(Reader):
    """A stream of server-sent events."""

    def __init__(self, stage: Stage, response: httpx.Response, user_id: str | None) -> None:
        self.stage = stage
        self.response = response
        self.user_id = user_id
        self.ids: list[str | None] = []
        self.retry: str | None = None
        self._blocks = self._read()

    def take(self, timeout: float = PATIENCE) -> Json:
        for block in self._blocks:
            fields = [line.partition(": ") for line in block.split("\n") if line[0] != ":"]
            known = {name: value for name, _, value in fields}
            assert known.keys() <= {"id", "data", "retry"}, block
            self.retry = known.get("retry", self.retry)
            if "data" in known:
                self.ids.append(known.get("id"))
                frame: Json = json.loads(known["data"])
                return frame
        raise EOFError

    def next_block(self) -> str:
        """Return what comes next, be it a comment."""
        return next(self._blocks)

    def rest(self) -> list[Json]:
        """Return what comes until the server ends it."""
        frames = []
        with contextlib.suppress(EOFError):
            while True:
                frames.append(self.take())
        return frames

    def close(self) -> None:
        """Leave."""
        self.response.close()

    def _read(self) -> Iterator[str]:
        waiting = ""
        for text in self.response.iter_text():
            *blocks, waiting = (waiting + text).split("\n\n")
            yield from blocks
        assert not waiting


class Gate:
    """Holds up whoever comes to it, until it is opened."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def wait(self) -> None:
        """Wait until somebody stands at it."""
        assert self._reached.wait(PATIENCE)

    def open(self) -> None:
        """Let through who stands there, and who comes later."""
        self._opened.set()

    def is_open(self) -> bool:
        """Tell whether one may pass."""
        return self._opened.is_set()

    async def passing(self) -> None:
        """Come to it."""
        self._reached.set()
        if not self.is_open():
            assert await asyncio.to_thread(self._opened.wait, PATIENCE)


@contextlib.contextmanager
def reading_held(
    stage: Stage, what: str = "conversations", *, after: bool = False, times: int = 1
) -> Iterator[Gate]:
    """Hold the hub's next reads of conversations or of a log: before the database, or after."""
    owner, name = {
        "conversations": (stage.hub, "_read"),
        "log": (stage.hub._database, "changes"),
    }[what]
    gate, read, left = Gate(), getattr(owner, name), [times]

    async def held(*arguments: Any, **given: Any) -> Any:
        mine = left[0] > 0
        left[0] -= 1
        if mine and not after:
            await gate.passing()
        result = await read(*arguments, **given)
        if mine and after:
            await gate.passing()
        return result

    with mock.patch.object(owner, name, held):
        try:
            yield gate
        finally:
            gate.open()


@contextlib.contextmanager
def hub_blind() -> Iterator[Gate]:
    """Hold the next look at the outbox: what is committed is not fetched yet."""
    gate, looking = Gate(), Listener._look

    async def look(self: Listener, statement: str) -> Look:
        await gate.passing()
        return await looking(self, statement)

    with mock.patch.object(Listener, "_look", look):
        try:
            yield gate
        finally:
            gate.open()


@contextlib.contextmanager
def staged(dsn: str, *, listen: str | None = None, **changes: Any) -> Iterator[Stage]:
    """Run a server on a database; `changes` are settings."""
    hubs: list[Hub] = []

    class SeenHub(Hub):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            hubs.append(self)

    target = changes.pop("database_url", dsn)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(contextlib.ExitStack())
        with mock.patch("thin_api.app.Hub", SeenHub):
            site = server.enter_context(serving(settings_for(target, **changes)))
        stage = Stage(site, hubs[0], dsn, stack)
        stage.stop = server.close
        yield stage


def _not_ours() -> None:
    raise AssertionError("other tests use this server, too")


def subscribers(stage: Stage, user_id: str) -> set[Subscriber]:
    """Return a user's sockets as the hub knows them."""
    return set(stage.hub._users.get(user_id, ()))


def is_message(frame: Json, message_id: str) -> bool:
    """Tell whether a frame brings this message."""
    return bool(frame["type"] == "message_created" and frame["message"]["id"] == message_id)


def place(frame: Json) -> tuple[Any, Any]:
    """Return where in which log a frame stands."""
    return frame.get("conversation_id"), frame.get("seq")


def numbers(frames: list[Json], conversation_id: str) -> list[int]:
    """Return the log numbers of a conversation that frames carry, as they came."""
    return [
        frame["seq"]
        for frame in frames
        if frame.get("conversation_id") == conversation_id and frame["type"] in NUMBERED
    ]


def contents(frames: list[Json]) -> list[Any]:
    """Return what messages say, as they came; other types by name."""
    return [
        frame["message"]["content"] if frame["type"] == "message_created" else frame["type"]
        for frame in frames
    ]
