"""A storm of writers around listeners, those docs/push.md prints and the server's: all hear all.

`python -m tests.race.push_storm DSN --phases 200 --seed 7` runs one against a migrated database.
"""

import argparse
import asyncio
import contextlib
import json
import re
import secrets
import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from psycopg import errors
from psycopg.conninfo import make_conninfo

from tests.http.support import settings_for
from tests.support import (
    PATIENCE,
    Connection,
    Json,
    at_once,
    call,
    connect,
    new_group,
    new_users,
    send,
    succeed,
    violations,
    wait_for,
)
from thin_api.listener import Listener

PAGE = Path(__file__).parents[2] / "docs" / "push.md"
THE_END = "the end"
UNDONE = "undone"
HELD = 0.02  # seconds a transaction is held open at most, waiting for others to overtake it
KILL = "select pg_terminate_backend(pid) from pg_stat_activity where pid"
ASLEEP = """
    select count(*)::int
      from chat.listeners l
      join pg_locks k on k.pid = l.backend_pid and k.locktype = 'advisory' and k.granted
       and k.objid = l.lock_key and k.mode = 'ExclusiveLock'"""


def printed_listener() -> Callable[..., None]:
    """Return `listen` as the page prints it."""
    (text,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(text, str(PAGE), "exec"), names)
    listen: Callable[..., None] = names["listen"]
    return listen


class HeardEnoughError(Exception):
    """The last message came: the listener is told to stop."""


class World:
    """What is talked in, and by whom; what went wrong."""

    def __init__(self, dsn: str, writers: int) -> None:
        self.dsn = dsn
        self.failures: list[str] = []
        self.typed = 0
        self.done: Counter[str] = Counter()
        self.over = threading.Event()
        self._progress = threading.Condition()
        with connect(dsn) as connection:
            self.people = new_users(connection, writers)
            self.common = sorted(new_group(connection, *self.people) for _ in range(4))
            self.own = [
                new_group(connection, one, *(other for other in self.people if other != one))
                for one in self.people
            ]
        self.owner = connect(dsn, None)

    @property
    def places(self) -> list[str]:
        return [*self.common, *self.own]

    def heads(self) -> dict[str, int]:
        """Return how far each conversation has come."""
        found = self.owner.execute(
            "select conversation_id::text, last_seq from chat.conversations"
            " where conversation_id = any (%s::uuid[])",
            [self.places],
        ).fetchall()
        return dict(found)

    def note(self, what: str, *, typed: int = 0) -> None:
        """Note that something was done."""
        with self._progress:
            self.done[what] += 1
            self.typed += typed
            self._progress.notify_all()

    def let_others_pass(self, steps: int) -> None:
        """Wait until others have done a few things, unless they wait for us."""
        with self._progress:
            aim = self.done.total() + steps
            self._progress.wait_for(lambda: self.done.total() >= aim, HELD)


class Ear(threading.Thread):
    """The printed listener in a thread; it keeps a cursor for each conversation, as clients do."""

    def __init__(self, world: World, name: str, *, steady: bool) -> None:
        super().__init__(name=name, daemon=True)
        self.world = world
        self.steady = steady
        self.caught_up = 0
        self.typed = 0
        self.told = 0  # how often the bell had the events with it
        self.cursors = world.heads()
        self.connection = connect(world.dsn)

    def run(self) -> None:
        try:
            self.listen()
        except HeardEnoughError:
            pass
        except BaseException as error:
            self.complain(f"{type(error).__name__}: {error}")

    def listen(self) -> None:
        """Listen until the last message came."""
        dsn = make_conninfo(self.world.dsn, application_name=self.name)
        printed_listener()(dsn, self.hand_out, self.catch_up)

    def hand_out(self, event: Json) -> None:
        """Take the next event; a steady listener gets each number once, in order."""
        frame = event["event"]
        if frame["type"] == "typing":
            self.typed += 1
        if frame.get("seq"):
            self.take(frame, self.cursors[frame["conversation_id"]])
        content = (frame.get("message") or {}).get("content")
        if content == UNDONE:
            self.complain(f"heard what was never sent: {frame}")
        if content == THE_END:
            raise HeardEnoughError

    def take(self, frame: Json, cursor: int) -> None:
        """Move the cursor; after catching up the same numbers may come as events, too."""
        if frame["seq"] == cursor + 1:
            self.cursors[frame["conversation_id"]] = frame["seq"]
        elif self.steady or frame["seq"] > cursor:
            self.complain(f"heard {frame['seq']} after {cursor} in {frame['conversation_id']}")

    def catch_up(self) -> None:
        """Read the log from each cursor; a steady listener has missed nothing after its start."""
        self.caught_up += 1
        if self.world.over.is_set():
            raise HeardEnoughError
        if self.steady:
            if self.caught_up > 1:
                self.complain("lost its session or was told that it missed something")
            return
        for place in self.world.places:
            more = True
            while more:
                page = succeed(
                    self.connection,
                    "list_changes",
                    conversation_id=place,
                    actor_id=self.world.people[0],
                    after_seq=self.cursors[place],
                )
                for frame in page["changes"]:
                    self.take(frame, self.cursors[place])
                more = page["has_more"]

    def complain(self, what: str) -> None:
        self.world.failures.append(f"{self.name}: {what}")


class ServerEar(Ear):
    """The server's own listener, which is rung with events, followed as its hub follows it."""

    def listen(self) -> None:
        asyncio.run(self.follow())

    async def follow(self) -> None:
        """Look, sleep and be told by the bell."""
        listener = await Listener.attach(settings_for(self.world.dsn))
        try:
            self.catch_up()
            look = await listener.fetch()
            while not look.missed:
                for event in look.events:
                    frame = json.loads(event.frame.body)
                    self.hand_out({"conversation_id": event.conversation_id, "event": frame})
                if look.asleep:
                    await asyncio.wait_for(listener.bell.wait(), 2 * PATIENCE)
                    look = listener.told() or await listener.wake()
                    self.told += look.asleep
                elif look.events:
                    look = await listener.fetch()
                else:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(listener.bell.wait(), 0.005)
                    look = await listener.sleep()
            self.complain("was told that it missed something")
        finally:
            await listener.close()


class Writer:
    """One connection that writes in every way there is."""

    def __init__(self, world: World, number: int, seed: str) -> None:
        self.world = world
        self.random = Random(f"{seed}/{number}")
        self.person = world.people[number]
        self.own = world.own[number]
        self.connection = connect(world.dsn)

    def burst(self, steps: int) -> None:
        """Write so many times."""
        ways = list(WAYS)
        for way in self.random.choices(ways, [WAYS[way] for way in ways], k=steps):
            typed = way(self) or 0
            self.world.note(way.__name__, typed=typed)

    def send(self, place: str, content: str = "hello") -> Json:
        return send(self.connection, place, self.person, content)

    def several(self, content: str) -> None:
        """Send to a few conversations, in the order of their ids."""
        for place in sorted(self.random.choices(self.world.common, k=self.random.randint(1, 3))):
            self.send(place, content)

    def end(self) -> str:
        return self.random.choice(["commit", "rollback"])


def one(writer: Writer) -> None:
    writer.send(writer.random.choice(writer.world.common))


def too_long_for_the_bell(writer: Writer) -> None:
    writer.send(writer.random.choice(writer.world.common), "é" * 4000)


def odd(writer: Writer) -> None:
    writer.connection.execute(
        "select api.must(api.send_message_atomic("
        " p_conversation_id => %s, p_actor_id => %s, p_content => 'hello',"
        """ p_metadata => '{"large": 1e400, "exact": 12345678901234567890.10}'))""",
        [writer.own, writer.person],
    )


def forge(writer: Writer) -> None:
    """Ring with an event that nobody sent, on the channel that everybody knows."""
    frame = {"type": "message_created", "conversation_id": writer.own, "seq": 1}
    about = dict.fromkeys(("user_id", "user_ids", "message_id", "excluded_user_ids"))
    event = {**frame, "message": {"content": UNDONE}}
    told = {**frame, **about, "xid": str(2**62), "position": 0, "age": 0}
    content = json.dumps(told) + "\n" + json.dumps(event)
    writer.connection.execute("select pg_notify('parley', %s)", [content])


def batch(writer: Writer) -> None:
    places = writer.random.choices(writer.world.common, k=writer.random.randint(2, 5))
    messages = [
        {"p_conversation_id": place, "p_actor_id": writer.person, "p_content": "hello"}
        for place in places
    ]
    succeed(writer.connection, "send_messages_atomic", messages=messages)


def change(writer: Writer) -> None:
    message = writer.send(writer.own)
    about = {"conversation_id": writer.own, "message_id": message["id"]}
    succeed(
        writer.connection, "edit_message_atomic", **about, actor_id=writer.person, content="Hello"
    )


def type_on(writer: Writer) -> int:
    place = writer.random.choice(writer.world.common)
    succeed(writer.connection, "announce_typing", conversation_id=place, actor_id=writer.person)
    return 1


def transaction(writer: Writer) -> None:
    ending = writer.end()
    writer.connection.execute("begin")
    writer.several("hello" if ending == "commit" else UNDONE)
    writer.connection.execute(ending)


def savepoints(writer: Writer) -> None:
    writer.connection.execute("begin")
    writer.connection.execute("savepoint step")
    writer.several(UNDONE)
    writer.connection.execute("rollback to step")
    if writer.random.random() < 0.7:
        writer.several("hello")
    writer.connection.execute("commit")


def begin_early(writer: Writer) -> None:
    writer.connection.execute("begin")
    writer.connection.execute("select pg_current_xact_id()")
    writer.world.let_others_pass(writer.random.randint(1, 5))
    writer.send(writer.random.choice(writer.world.common))
    writer.connection.execute("commit")


def hold(writer: Writer) -> None:
    ending = writer.end()
    writer.connection.execute("begin")
    writer.send(writer.own, "hello" if ending == "commit" else UNDONE)
    writer.world.let_others_pass(writer.random.randint(1, 20))
    writer.connection.execute(ending)


def look_back(writer: Writer) -> None:
    isolation = writer.random.choice(["repeatable read", "serializable"])
    writer.connection.execute(f"begin isolation level {isolation}")
    call(writer.connection, "list_conversations", actor_id=writer.person)
    writer.world.let_others_pass(writer.random.randint(1, 5))
    try:
        writer.send(writer.own)
        writer.connection.execute("commit")
    except errors.SerializationFailure:
        writer.connection.execute("rollback")


def upkeep(writer: Writer) -> None:
    writer.world.owner.execute(
        "update chat.listeners set fetched_at = fetched_at - interval '10 seconds'"
    )
    succeed(writer.connection, "maintain")


def kill(writer: Writer) -> None:
    writer.world.owner.execute(
        f"{KILL} in (select backend_pid from chat.listeners)"
        " and application_name like 'killed%' order by random() limit 1"
    )


WAYS: dict[Callable[[Writer], int | None], int] = {
    one: 30,
    too_long_for_the_bell: 4,
    odd: 4,
    forge: 3,
    batch: 10,
    change: 10,
    type_on: 10,
    transaction: 15,
    savepoints: 10,
    begin_early: 10,
    hold: 10,
    look_back: 8,
    upkeep: 6,
    kill: 2,
}


def storm(dsn: str, *, writers: int, listeners: int, phases: int, seed: str) -> World:
    """Let writers write in bursts; after each everybody must have heard it, and fall asleep."""
    world = World(dsn, writers)
    crew = [Writer(world, number, seed) for number in range(writers)]
    ears = [Ear(world, f"steady {number}", steady=True) for number in range(listeners)]
    ears += [Ear(world, f"killed {number}", steady=False) for number in range(listeners)]
    ears += [ServerEar(world, f"server {number}", steady=True) for number in range(listeners)]
    try:
        for ear in ears:
            ear.start()
        _blow(world, crew, ears, Random(seed).choices([1, 2, 5, 20], k=phases))
        send(crew[0].connection, world.common[0], world.people[0], THE_END)
        for ear in ears:
            ear.join(PATIENCE)
            if ear.is_alive():
                ear.complain("did not hear the end")
            if ear.steady and ear.typed != world.typed:
                ear.complain(f"heard {ear.typed} of {world.typed} typing")
        world.done["told"] = sum(ear.told for ear in ears)
        world.failures += [str(violation) for violation in violations(crew[0].connection)]
    except AssertionError as error:
        world.failures.append(str(error))
    finally:
        world.over.set()
        world.owner.execute(f"{KILL} in (select backend_pid from chat.listeners)")
        for ear in ears:
            ear.join(PATIENCE)
        for connection in (
            world.owner,
            *(w.connection for w in crew),
            *(e.connection for e in ears),
        ):
            connection.close()
    return world


def _blow(world: World, crew: list[Writer], ears: list[Ear], bursts: list[int]) -> None:
    wait_for(lambda: world.failures or all(ear.caught_up for ear in ears), "all to listen")
    for steps in bursts:
        at_once([partial(writer.burst, steps) for writer in crew])
        heads = world.heads()
        heard = partial(_all_at, ears, heads)
        wait_for(lambda: world.failures or heard(), f"all to hear {heads}")  # noqa: B023
        assert not world.failures
        wait_for(lambda: _asleep(world.owner) == len(ears), "all to fall asleep")


def _all_at(ears: list[Ear], heads: dict[str, int]) -> bool:
    return all(ear.cursors == heads for ear in ears)


def _asleep(connection: Connection) -> int:
    row = connection.execute(ASLEEP).fetchone()
    return row[0] if row else 0


def main() -> int:
    """Run one storm and print what came of it."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("dsn")
    options.add_argument("--writers", type=int, default=8)
    options.add_argument("--listeners", type=int, default=3)
    options.add_argument("--phases", type=int, default=100)
    options.add_argument("--seed", default=secrets.token_hex(4))
    args = options.parse_args()
    world = storm(
        args.dsn,
        writers=args.writers,
        listeners=args.listeners,
        phases=args.phases,
        seed=args.seed,
    )
    for way, count in sorted(world.done.items()):
        print(f"{count:7} {way}")
    print(*world.failures, sep="\n")
    print(f"{len(world.failures)} failures, seed {args.seed}")
    return 1 if world.failures else 0


if __name__ == "__main__":
    sys.exit(main())
