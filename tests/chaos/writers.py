"""Writers: over HTTP, and with plain SQL as any service may."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from random import Random
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.chaos.http import Answer, Connection
from tests.chaos.stage import Server
from tests.chaos.world import Room, World
from tests.http.support import token
from tests.support import Json

BACK_OFF = 0.05
ANSWER_TIMEOUT = 5.0
BATCH = 25
EMOJI = ["👍", "🎉"]
MOST_ROOMS = 15
TRANSIENT = (429, 502, 503, 504)


class HttpWriter:
    """Writes over HTTP, to one server after the other; a send is repeated until it is answered."""

    def __init__(self, world: World, servers: Sequence[Server], seed: str) -> None:
        self.world = world
        self.random = Random(seed)
        self.slowest = 0.0
        self._seed = seed
        self._connections = [Connection(server.port, ANSWER_TIMEOUT) for server in servers]
        self._next = self.random.randrange(len(servers))
        self._tokens: dict[str, str] = {}

    async def write(self, messages: int) -> None:
        """Write so many messages."""
        for number in range(messages):
            await self._send(self.random.choice(self.world.rooms), f"{self._seed}/{number}")
            if self.random.random() < 0.2:
                await self._do_something_else()
            self.world.spend(1)
        for connection in self._connections:
            connection.close()

    async def _send(self, room: Room, key: str) -> None:
        """Send one message; who left may be refused."""
        loop = asyncio.get_running_loop()
        sender = self.random.choice([*room.steady, *room.floating])
        body = {"content": f"message {key}", "client_message_id": key}
        began = loop.time()
        answer = await self._ask("POST", room, "messages", sender, body)
        while answer is None or answer.status in TRANSIENT:
            await asyncio.sleep(BACK_OFF)
            answer = await self._ask("POST", room, "messages", sender, body)
        self.slowest = max(self.slowest, loop.time() - began)
        if answer.is_success:
            self.world.acknowledge(answer.body["message"])
            room.messages.append((answer.body["message"]["id"], sender))
            self.world.done["send over HTTP"] += 1
        else:
            self.world.refused[f"send: {answer.body['error']}"] += 1

    async def _do_something_else(self) -> None:
        """Do something once; whether it is done does not matter."""
        rooms = [one for one in self.world.rooms if one.messages]
        if not rooms:
            return
        room = self.random.choice(rooms)
        message_id, sender = self.random.choice(list(room.messages))
        path = f"messages/{message_id}"
        emoji = quote(self.random.choice(EMOJI))
        what: list[tuple[str, str, str, Json | None]] = [
            ("edit", "PATCH", path, {"content": "edited"}),
            ("delete", "DELETE", path, None),
            ("react", "PUT", f"{path}/reactions/{emoji}", None),
            ("react no more", "DELETE", f"{path}/reactions/{emoji}", None),
            ("read", "POST", "read", {}),
            ("typing", "POST", "typing", None),
        ]
        name, method, where, body = self.random.choice(what)
        answer = await self._ask(method, room, where, sender, body)
        if answer is not None:
            told = self.world.done if answer.is_success else self.world.refused
            told[f"{name} over HTTP"] += 1

    async def _ask(
        self, method: str, room: Room, path: str, user_id: str, body: Json | None
    ) -> Answer | None:
        """Ask a server; none: it did not answer, and the next one is asked next."""
        connection = self._connections[self._next % len(self._connections)]
        bearer = self._tokens.setdefault(user_id, token(user_id))
        where = f"/v1/conversations/{room.conversation_id}/{path}"
        try:
            return await connection.ask(method, where, bearer, body)
        except OSError:
            self._next += 1
            return None


class SqlWriter:
    """Writes with SQL; when the database goes away meanwhile, nobody has promised anything."""

    def __init__(self, world: World, seed: str) -> None:
        self.world = world
        self.random = Random(seed)
        self.slowest = 0.0
        self._seed = seed
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def write_singly(self, messages: int) -> None:
        """Write so many messages, mostly one in a transaction."""
        for number in range(messages):
            chance = self.random.random()
            if chance < 0.8:
                await self._attempt(self._send, number)
            else:
                await self._attempt(self._do_several, number, chance < 0.9)
            self.world.spend(1)

    async def write_batches(self, messages: int) -> None:
        """Write so many messages, many in one call and one transaction."""
        for number in range(-(-messages // BATCH)):
            await self._attempt(self._send_batch, number)
            self.world.spend(BATCH)

    async def write_slowly(self, room: Room, seconds: float, until: asyncio.Event) -> None:
        """Hold transactions open so long; every second one is rolled back."""
        number = 0
        while not until.is_set():
            number += 1
            await self._attempt(self._hold, room, number, seconds, until)

    async def move_people(self, until: asyncio.Event) -> None:
        """Let people come and go, block each other, and open new groups, without haste."""
        while not until.is_set():
            await self._attempt(self._move_somebody)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), 0.02)

    async def say_last_words(self) -> None:
        """Send one more message to each conversation."""
        for room in self.world.everywhere:
            while not await self._attempt(self._say, room, "the last word"):
                pass

    async def close(self) -> None:
        """Hang up."""
        if self._connection:
            await self._connection.close()

    async def _attempt(self, work: Callable[..., Awaitable[Any]], *given: Any) -> bool:
        """Do something; whether nothing came between."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            if self._connection is None:
                self._connection = await psycopg.AsyncConnection.connect(
                    self.world.dsn, autocommit=True, options="-c role=parley_api"
                )
            await work(*given)
        except psycopg.Error as error:
            self.world.refused[f"SQL: {type(error).__name__}"] += 1
            if self._connection:
                await self._connection.close()
                self._connection = None
            await asyncio.sleep(BACK_OFF)
            return False
        self.slowest = max(self.slowest, loop.time() - began)
        return True

    async def _send(self, number: int) -> None:
        room = self.random.choice(self.world.rooms)
        message = await self._say(room, f"message {self._seed}/{number}")
        if message:
            self.world.acknowledge(message)
            room.messages.append((message["id"], message["sender_id"]))
            self.world.done["send in SQL"] += 1

    async def _send_batch(self, number: int) -> None:
        rooms = self.random.choices(self.world.rooms, k=BATCH)
        batch = [
            {
                "p_conversation_id": room.conversation_id,
                "p_actor_id": self.random.choice(room.steady),
                "p_content": f"message {self._seed}/{number} of a batch",
            }
            for room in rooms
        ]
        for result in (await self._call("send_messages_atomic", messages=Jsonb(batch)))["results"]:
            if result["success"]:
                self.world.acknowledge(result["message"])
                self.world.done["send in a batch"] += 1
            else:
                self.world.refused[f"batch: {result['error']}"] += 1

    async def _do_several(self, number: int, keep: bool) -> None:
        """Send, change and send again in one transaction, and maybe take all of it back."""
        room = self.random.choice(self.world.rooms)
        sender = self.random.choice(room.steady)  # two of them would lock in no order
        async with self._transaction(keep=keep) as sent:
            for part in range(2):
                content = f"message {self._seed}/{number}/{part}"
                message = await self._say(room, content, sender)
                if message is None:
                    return
                sent.append(message)
                place = {"conversation_id": room.conversation_id, "message_id": message["id"]}
                place["actor_id"] = message["sender_id"]
                await self._call("edit_message_atomic", **place, content="edited")
                await self._call("add_reaction_atomic", **place, emoji=self.random.choice(EMOJI))
            await self._call("delete_message_atomic", **place)

    async def _hold(self, room: Room, number: int, seconds: float, until: asyncio.Event) -> None:
        keep = number % 2 == 0
        async with self._transaction(keep=keep) as sent:
            for part in range(2):
                message = await self._say(room, f"slow {self._seed}/{number}/{part}")
                if message:
                    sent.append(message)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), seconds)
        self.world.done[f"hold open and {'commit' if keep else 'roll back'}"] += 1

    async def _move_somebody(self) -> None:
        world = self.world
        chance = self.random.random()
        if chance < 0.6:
            room = self.random.choice(world.crowded)
            somebody = self.random.choice(room.floating)
            place = {"conversation_id": room.conversation_id, "actor_id": room.steady[0]}
            if self.random.random() < 0.5:
                name = "add_members_atomic"
                answer = await self._call(name, **place, member_ids=[somebody])
            else:
                name = "remove_member_atomic"
                answer = await self._call(name, **place, user_id=somebody)
        elif chance < 0.9 or len(world.rooms) >= MOST_ROOMS:
            if not world.strained:
                return
            one, other = self.random.choice(world.strained)
            name = self.random.choice(["block_user_atomic", "unblock_user_atomic"])
            answer = await self._call(name, actor_id=one, user_id=other)
        else:
            name = "create_conversation_atomic"
            members = self.random.sample(world.people, 4)
            answer = await self._call(
                name, kind="group", actor_id=members[0], member_ids=members[1:]
            )
            world.rooms.append(Room(answer["conversation_id"], members))
        done = answer["success"] and not answer.get("duplicate")
        (world.done if done else world.refused)[name] += 1

    async def _say(self, room: Room, content: str, sender: str | None = None) -> Json | None:
        """Send a message, as somebody who stays unless told; none: it was refused."""
        answer = await self._call(
            "send_message_atomic",
            conversation_id=room.conversation_id,
            actor_id=sender or self.random.choice(room.steady),
            content=content,
        )
        if not answer["success"]:
            self.world.refused[f"send: {answer['error']}"] += 1
            return None
        message: Json = answer["message"]
        return message

    async def _call(self, function: str, **arguments: Any) -> Json:
        assert self._connection
        statement = sql.SQL("select api.{}({})").format(
            sql.Identifier(function),
            sql.SQL(", ").join(
                sql.SQL("{} => %s").format(sql.Identifier(f"p_{name}")) for name in arguments
            ),
        )
        cursor = await self._connection.execute(statement, list(arguments.values()))
        row = await cursor.fetchone()
        assert row
        answer: Json = row[0]
        return answer

    @contextlib.asynccontextmanager
    async def _transaction(self, *, keep: bool) -> AsyncIterator[list[Json]]:
        """Commit or roll back at the end, and remember which of it the messages sent were."""
        assert self._connection
        sent: list[Json] = []
        async with self._connection.transaction(force_rollback=not keep):
            yield sent
        for message in sent:
            if keep:
                self.world.acknowledge(message)
            else:
                self.world.withdrawn.add(message["id"])
