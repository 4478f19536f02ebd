"""A play: readers read, writers write, something breaks; in the end everything must be there."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import uvloop

from tests.chaos.followers import Follower
from tests.chaos.readers import Reader, reading
from tests.chaos.stage import Server
from tests.chaos.verdict import Truth, judge, judge_log, read_truth
from tests.chaos.world import World
from tests.chaos.writers import HttpWriter, SqlWriter
from tests.support import connect, wait_for

# Over all plays together. CHAOS_MESSAGES=100000 takes a few minutes more.
MESSAGES = int(os.environ.get("CHAOS_MESSAGES", "20000"))
SEED = os.environ.get("CHAOS_SEED") or secrets.token_hex(4)
HTTP_WRITERS, SQL_WRITERS, SLOW_WRITERS = 6, 4, 2
HELD_OPEN = 2.0
FOLLOWERS = 3
PATIENCE = 60.0
LONGEST = 900.0
LIFETIME = 400  # frames

Trouble = Callable[["Play"], Coroutine[Any, Any, None]]


@dataclass
class Play:
    """A play under way."""

    world: World
    servers: Sequence[Server]
    readers: Sequence[Reader]
    followers: Sequence[Follower]
    http: Sequence[HttpWriter]
    sql: Sequence[SqlWriter]

    async def acts(self, *shares: float) -> Any:
        """Yield as the play goes on."""
        for share in shares:
            await self.world.reach(share)
            yield share


def perform(
    dsn: str,
    servers: Sequence[Server],
    share: float,
    *troubles: Trouble,
    write_to: Sequence[Server] = (),
) -> Play:
    """Play one, its share of all messages; nothing may be lost, doubled or out of order."""
    world = World(dsn, int(MESSAGES * share), SEED)
    performance = _perform(world, servers, troubles, write_to or servers)
    play = uvloop.run(asyncio.wait_for(performance, LONGEST))
    with connect(dsn, None) as connection:
        truth = read_truth(connection)
        faults = [*_broken_promises(world, truth), *judge_log(connection, truth)]
        rows = connection.execute("select id::text from chat.messages").fetchall()
        faults += [f"{one} was rolled back" for (one,) in rows if one in world.withdrawn]
    resynced = any(server.told("push_lost") for server in servers)
    for reader in play.readers:
        faults += judge(reader.user_id, reader.epochs, truth, resynced=resynced)
    for follower in play.followers:
        faults += follower.judge(truth, world.everywhere)
    assert not faults, f"seed {SEED}: {len(faults)} faults: {faults[:10]}"
    return play


async def _perform(
    world: World, servers: Sequence[Server], troubles: Sequence[Trouble], write_to: Sequence[Server]
) -> Play:
    readers = [
        Reader(user_id, servers, f"{SEED}/{number}", None if number % 3 == 0 else LIFETIME)
        for number, user_id in enumerate([*world.people, *world.people[:4]])
    ]
    http = [HttpWriter(world, write_to, f"{SEED}/http{n}") for n in range(HTTP_WRITERS)]
    sql = [SqlWriter(world, f"{SEED}/sql{n}") for n in range(SQL_WRITERS)]
    batch, people, last = (
        SqlWriter(world, f"{SEED}/{name}") for name in ("batch", "people", "last")
    )
    slow = [SqlWriter(world, f"{SEED}/slow{n}") for n in range(SLOW_WRITERS)]
    followers = [Follower(user_id, servers[0]) for user_id in world.people[:FOLLOWERS]]
    play = Play(world, servers, readers, followers, http, sql)
    over = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        for writer in (*sql, batch, people, last, *slow):
            stack.push_async_callback(writer.close)
        await stack.enter_async_context(reading([*readers, *followers]))
        async with asyncio.TaskGroup() as beside:
            for writer, room in zip(slow, world.slow, strict=True):
                beside.create_task(writer.write_slowly(room, HELD_OPEN, over))
            beside.create_task(people.move_people(over))
            quarter = world.budget // 4
            async with asyncio.TaskGroup() as group:
                for one in http:
                    group.create_task(one.write(quarter // HTTP_WRITERS + 1))
                for other in sql:
                    group.create_task(other.write_singly(quarter // SQL_WRITERS + 1))
                group.create_task(batch.write_batches(2 * quarter))
                for trouble in troubles:
                    group.create_task(trouble(play))
            over.set()
        await last.say_last_words()
        await _until_all_came(world, readers, followers)
    return play


async def _until_all_came(
    world: World, readers: Sequence[Reader], followers: Sequence[Follower]
) -> None:
    with connect(world.dsn, None) as connection:
        truth = read_truth(connection)
    for reader in readers:
        reader.aim_at(truth.goal(reader.user_id))
    for follower in followers:
        follower.aim_at(truth.goal(follower.user_id), world.everywhere)
    everybody: list[Reader | Follower] = [*readers, *followers]
    try:
        async with asyncio.timeout(PATIENCE):
            for one in everybody:
                await one.there.wait()
            for reader in readers:
                await reader.ping()
    except TimeoutError:
        lacking = {one.user_id: one.lacks() for one in everybody if one.lacks()}
        raise AssertionError(f"seed {SEED}: waited {PATIENCE:g} s for {lacking}") from None


def _broken_promises(world: World, truth: Truth) -> list[str]:
    """Find messages that were acknowledged and are not there."""
    there = {
        entry.message_id: (conversation_id, entry.message_seq)
        for conversation_id, log in truth.logs.items()
        for entry in log.values()
    }
    return [
        f"{message_id} was acknowledged at {place} and is at {there.get(message_id)}"
        for message_id, place in world.acknowledged.items()
        if there.get(message_id) != place
    ]


async def eventually(condition: Callable[[], Any], what: str) -> None:
    """Wait for something without holding up the others."""
    await asyncio.to_thread(wait_for, condition, what)
