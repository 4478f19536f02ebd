"""The client and `parley tail` with a real server, whose connections are cut as we like."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.client.test_tail import tailing
from tests.http.support import Site, serving, settings_for, token
from tests.support import (
    PATIENCE,
    Connection,
    Json,
    connect,
    new_channel,
    new_direct,
    new_group,
    new_tenant,
    new_user,
    new_users,
    receive,
    send,
    succeed,
    violations,
)
from thin_api.client import Client, Frame


class Relay:
    """A way to the server that can be cut, and that stays when the server is another."""

    def __init__(self) -> None:
        self.url = ""
        self.server_port = 0
        self.passed = 0
        self._ends: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Relay"]:
        """Pass connections on."""
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        async with server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self
            server.close()
            self.cut()

    def cut(self) -> None:
        """Break every connection there is."""
        for end in self._ends:
            end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.passed += 1
        try:
            there, answer = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, answer}
        self._ends |= ends
        await asyncio.gather(_copy(reader, answer), _copy(there, writer))
        self._ends -= ends


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


class World:
    """A database, a server that may be stopped and started, and clients of it."""

    def __init__(self, dsn: str, relay: Relay, db: Connection) -> None:
        self.relay = relay
        self.db = db
        self._dsn = dsn
        self._server = ExitStack()

    def start(self) -> Site:
        """Start a server."""
        site = self._server.enter_context(serving(settings_for(self._dsn)))
        self.relay.server_port = int(site.url.rpartition(":")[2])
        return site

    def stop(self) -> None:
        """Stop it; sockets are told to come back."""
        self._server.close()

    def client(self, user_id: str, **options: Any) -> Client:
        """Make a client that does not wait long."""
        usual: Json = {"token": lambda: token(user_id), "chance": lambda: 0.02}
        return Client(self.relay.url, **(usual | options))

    def listed(self, conversation_id: str, user_id: str) -> list[Json]:
        """Return what list_messages gives."""
        messages: list[Json] = succeed(
            self.db,
            "list_messages",
            conversation_id=conversation_id,
            actor_id=user_id,
            after_seq=0,
            limit=100,
        )["messages"]
        return messages

    def change(self, function: str, conversation_id: str, actor_id: str, **more: Any) -> Json:
        """Call a function about a conversation."""
        return succeed(
            self.db, function, conversation_id=conversation_id, actor_id=actor_id, **more
        )


@pytest.fixture
def database(fresh_database: str) -> Iterator[Connection]:
    """Yield a connection to a database in which all is well in the end."""
    with connect(fresh_database) as connection:
        yield connection
        assert violations(connection) == []


@pytest.fixture
async def world(fresh_database: str, database: Connection) -> AsyncIterator[World]:
    """Yield a running server."""
    async with Relay().running() as relay:
        world = World(fresh_database, relay, database)
        world.start()
        yield world
        relay.cut()
        await asyncio.to_thread(world.stop)


async def until(client: Client, is_last: Callable[[Frame], Any]) -> list[Frame]:
    """Return the events up to one."""
    frames: list[Frame] = []
    async with asyncio.timeout(3 * PATIENCE):
        async for frame in client.events():
            frames.append(frame)
            if is_last(frame):
                break
    return frames


def says(content: str) -> Callable[[Frame], bool]:
    """Recognise a new message."""
    return lambda frame: (
        frame["type"] == "message_created" and frame["message"]["content"] == content
    )


def numbered(frames: list[Frame], conversation_id: str) -> list[int]:
    """Return the log numbers of one conversation's frames."""
    return [
        frame["seq"]
        for frame in frames
        if frame.get("conversation_id") == conversation_id and "seq" in frame
    ]


async def test_what_one_sends_and_changes_the_other_sees_as_the_server_has_it(
    world: World,
) -> None:
    ada, bo = new_users(world.db, 2)
    chat = new_direct(world.db, ada, bo)
    async with world.client(ada) as one, world.client(bo) as other:
        following = asyncio.create_task(until(other, says("the end")))
        async with asyncio.timeout(PATIENCE):
            await other.connected.wait()
        first = await one.send(chat, "hello")
        await one.send(chat, "more")
        about = {"message_id": first["id"]}
        world.change("edit_message_atomic", chat, ada, **about, content="Hello!")
        world.change("add_reaction_atomic", chat, bo, **about, emoji="👍")
        world.change("delete_message_atomic", chat, ada, **about)
        await one.send(chat, "the end")
        frames = await following
        assert [frame["type"] for frame in frames if "seq" in frame] == [
            *("message_created", "message_created", "message_edited"),
            *("reaction_added", "message_deleted", "message_created"),
        ]
        assert other.store.messages(chat) == world.listed(chat, bo)
        assert await other.read(chat) == 0
        await one.load(chat)
        assert one.store.messages(chat) == other.store.messages(chat)


async def test_an_agent_follows_threads_through_cuts_restarts_and_a_merge(world: World) -> None:
    tenant_id = new_tenant(world.db)
    channel, agent = new_channel(world.db, tenant_id), new_user(world.db, tenant_id=tenant_id)
    phones = ["+491701234567", "+491701234568"]
    survivor, other = (receive(world.db, channel, "hello", phone) for phone in phones)
    thread = survivor["conversation_id"]
    async with world.client(agent, cursors={thread: 0, other["conversation_id"]: 0}) as client:

        def is_over(_: Frame) -> bool:  # a reset may cover the end: it is no frame of its own then
            told = [one["content"] for one in client.store.messages(thread)]
            return "the end" in told and other["conversation_id"] not in client.store.conversations

        following = asyncio.create_task(until(client, is_over))
        async with asyncio.timeout(PATIENCE):
            await client.connected.wait()
        for number in range(12):
            receive(world.db, channel, f"{number}", phones[number % 2])
            if number % 4 == 1:
                world.relay.cut()
            if number == 6:
                await asyncio.to_thread(world.stop)
                world.start()
            await asyncio.sleep(0)
        linked = succeed(
            world.db,
            "link_contact_atomic",
            actor_id=agent,
            contact_id=survivor["contact"]["id"],
            kind="phone",
            value=phones[1],
        )
        assert linked["conversation_id"] == thread
        receive(world.db, channel, "the end", phones[1])
        frames = await following
        assert client.store.messages(thread) == world.listed(thread, agent)
        seen = numbered(frames, thread)
        assert sorted(set(seen)) == seen


async def test_cuts_and_restarts_lose_nothing_and_repeat_nothing(world: World) -> None:
    ada, bo = new_users(world.db, 2)
    rooms = [new_group(world.db, ada, bo, title=f"Room {n}") for n in range(3)]
    begun = {room: len(world.listed(room, bo)) for room in rooms}
    async with world.client(ada) as one, world.client(bo) as other:
        following = [asyncio.create_task(until(client, says("the end"))) for client in (one, other)]
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(one.connected.wait(), other.connected.wait())

        async def talk(client: Client, room: str) -> None:
            for number in range(12):
                await client.send(room, f"message {number}")
                if number % 4 == 1:
                    world.relay.cut()

        async def restart() -> None:
            await asyncio.to_thread(world.stop)
            await asyncio.to_thread(world.start)

        async with asyncio.timeout(3 * PATIENCE):
            await asyncio.gather(
                restart(), *(talk(client, room) for client in (one, other) for room in rooms)
            )
        for room in rooms[1:]:
            await one.send(room, "nearly")
        await one.send(rooms[0], "the end")
        all_frames = await asyncio.gather(*following)
        for client, frames in zip((one, other), all_frames, strict=True):
            # Conversations are in order each, not among one another: wait for the others' ends.
            for room in rooms[1:]:
                while client.store.cursors()[room] < world.listed(room, bo)[-1]["seq"]:
                    frames += await until(client, lambda frame: "seq" in frame)
            for room in rooms:
                listed = world.listed(room, bo)
                assert len([one for one in listed if one["type"] == "text"]) >= 24
                assert numbered(frames, room) == list(range(begun[room] + 1, listed[-1]["seq"] + 1))
                have = client.store.messages(room)
                assert have == listed[-len(have) :]
    assert world.relay.passed > 4


async def test_what_happened_while_away_is_all_there(world: World) -> None:
    ada, bo, eve = new_users(world.db, 3)
    old = new_direct(world.db, ada, bo)
    async with world.client(bo) as client:
        following = asyncio.create_task(until(client, says("seen")))
        async with asyncio.timeout(PATIENCE):
            await client.connected.wait()
        send(world.db, old, ada, "seen")
        await following

        await asyncio.to_thread(world.stop)
        send(world.db, old, ada, "missed")
        group = new_group(world.db, ada, eve)
        send(world.db, group, eve, "before Bo")
        world.change("add_members_atomic", group, ada, member_ids=[bo])
        send(world.db, group, eve, "after Bo")
        await asyncio.to_thread(world.start)

        frames = await until(client, says("after Bo"))
        while client.store.cursors()[old] < 2:
            frames += await until(client, says("missed"))
        assert numbered(frames, old) == [2]
        joined = world.change("list_members", group, bo)["members"]
        since = next(one["joined_seq"] for one in joined if one["user_id"] == bo)
        assert numbered(frames, group) == [since, since + 1]
        assert client.store.messages(old) == world.listed(old, bo)


async def test_too_much_to_catch_up_on_is_fetched_again(world: World, fresh_database: str) -> None:
    with connect(fresh_database, None) as operator:
        operator.execute("update chat.limits set changes_gap = 5")
    ada, bo = new_users(world.db, 2)
    chat = new_direct(world.db, ada, bo)
    messages = [send(world.db, chat, ada, f"message {number}") for number in range(3)]
    async with world.client(bo, cursors={chat: 0}) as client:
        await until(client, says("message 2"))
        world.relay.cut()
        world.change(
            "edit_message_atomic", chat, ada, message_id=messages[0]["id"], content="edited"
        )
        for number in range(3, 9):
            send(world.db, chat, ada, f"message {number}")
        (reset,) = await until(client, lambda frame: "conversation_id" in frame)
        assert (reset["type"], reset["last_seq"]) == ("reset", 10)
        assert client.store.messages(chat) == world.listed(chat, bo)
        send(world.db, chat, ada, "the next")
        assert numbered(await until(client, says("the next")), chat) == [11]


async def test_what_may_not_be_seen_is_skipped_and_leaving_ends_it(world: World) -> None:
    ada, bo, eve = new_users(world.db, 3)
    group = new_group(world.db, ada, bo, eve)
    async with world.client(bo, since=0) as client:
        succeed(world.db, "block_user_atomic", actor_id=bo, user_id=eve)
        send(world.db, group, eve, "unseen")
        send(world.db, group, ada, "seen")
        frames = await until(client, says("seen"))
        assert numbered(frames, group) == list(range(1, frames[-1]["seq"] + 1))
        assert frames[-2]["type"] == "skip"
        world.change("remove_member_atomic", group, ada, user_id=bo)
        (removed,) = await until(client, lambda frame: "seq" in frame)
        assert removed["type"] == "member_removed"
        assert client.store.cursors() == {}
        send(world.db, group, ada, "without Bo")
        world.relay.cut()
        world.change("add_members_atomic", group, ada, member_ids=[bo])
        send(world.db, group, ada, "with Bo again")
        frames = await until(client, says("with Bo again"))
        assert numbered(frames, group) == list(range(removed["seq"] + 1, removed["seq"] + 4)), (
            "the group's history is open to all members"
        )


async def test_an_expired_token_is_replaced_without_losing_anything(world: World) -> None:
    ada, bo = new_users(world.db, 2)
    chat = new_direct(world.db, ada, bo)
    # The clocks' leeway keeps the first token good for a moment.
    made = [token(bo, exp=int(time.time()) - 8), token(bo)]
    reports: list[str] = []

    def report(what: str) -> None:
        reports.append(what)
        send(world.db, chat, ada, f"while {len(reports)}")

    async with world.client(bo, token=lambda: made.pop(0), report=report) as client:
        frames = await until(client, says("while 3"))
        assert numbered(frames, chat) == [1, 2, 3]
    assert made == []
    assert "4401" in reports[1]


async def test_tail_follows_a_real_server_through_a_restart(world: World, tmp_path: Path) -> None:
    ada, bo = new_users(world.db, 2)
    chat = new_direct(world.db, ada, bo)
    send(world.db, chat, ada, "before")
    given = ("--user", bo, "--url", world.relay.url)
    async with (
        tailing(*given, folder=tmp_path) as plain,
        tailing(
            *given, "--json", "--since", "0", "--conversation", chat, folder=tmp_path
        ) as all_of,
    ):
        assert await plain.said() == await all_of.said() == "parley tail: connected\n"
        assert json.loads(await all_of.line())["message"]["content"] == "before"
        send(world.db, chat, ada, "live\x1b[31m")
        assert (await plain.line()).endswith("live\\x1b[31m\n")
        assert json.loads(await all_of.line())["message"]["content"] == "live\x1b[31m"
        await asyncio.to_thread(world.stop)
        assert "1012" in await plain.said()
        send(world.db, chat, ada, "missed")
        await asyncio.to_thread(world.start)
        assert (await plain.line()).endswith("  missed\n")
        assert json.loads(await all_of.line())["seq"] == 3
        assert (await plain.end(signal.SIGINT))[0] == 130
        assert (await all_of.end(signal.SIGINT))[0] == 130
