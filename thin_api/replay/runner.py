"""Play a plan through the HTTP API: many clients at once, one order.

A conversation's log has the order in which sends commit, so of two requests in flight neither is
sure to come first. Every person in the log has a token of their own and belongs to one of N
clients, each with a connection of its own. What is independent goes through all clients at once
(people are created, history is read); the steps of the log are handed from client to client, each
one acting when the step before is acknowledged. The cost: one step in flight per log, so lines a
second are one over the latency of a request, however many clients there are.

A killed replay goes on where it stopped: each line is a message with a key of its own, written
after the changes it tells of, so the end of the stored history says what has been done. Should a
line come back as a duplicate, somebody else has sent it (an old request that still arrived, or a
second replay of the same log), and the end of the history is read again. Two replays at once store
each line once and in order; only a change of members may then happen twice.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from thin_api.replay.clients import Client, RefusedError, Tokens
from thin_api.replay.plan import Add, Person, Plan, Post, Remove, Rename, Step

PAGE = 100

Message = Mapping[str, Any]
_Work = TypeVar("_Work")


class _BehindError(Exception):
    """A line was in the history already: this replay is behind."""


class Conversation:
    """One log's conversation on the server, seen by its bot and by everyone in the log."""

    def __init__(
        self, plan: Plan, clients: Sequence[Client], tokens: Tokens, conversation_id: str
    ) -> None:
        self._plan = plan
        self._clients = clients
        self._tokens = tokens
        self._path = f"/v1/conversations/{conversation_id}"
        self.conversation_id = conversation_id
        self._stored: dict[int, str] = {}
        self._posts = {
            (step.sender_id, step.client_message_id): (index, step)
            for index, step in enumerate(plan.steps)
            if isinstance(step, Post)
        }
        places = {person.user_id: place for place, person in enumerate(plan.people, start=1)}
        self._place = {plan.bot_id: 0} | places

    @classmethod
    async def open(
        cls, plan: Plan, clients: Sequence[Client], tokens: Tokens, *, key: str, title: str
    ) -> "Conversation":
        """Create the bot and its group, or find those of an earlier run."""
        bot_id = plan.bot_id
        await _upsert(clients[0], tokens, bot_id, "channel service", "bot")
        try:
            answer = await clients[0].ask(
                "POST",
                "/v1/conversations",
                tokens.of(bot_id),
                json={"kind": "group", "member_ids": [], "title": title, "client_key": key},
            )
            conversation_id = answer["conversation_id"]
        except RefusedError as refusal:
            if refusal.code != "conversation_exists":
                raise
            conversation_id = refusal.details["conversation_id"]
        return cls(plan, clients, tokens, conversation_id)

    async def play(self, told: Callable[[int], None]) -> None:
        """Do what is left to do of the plan; `told` gets the number of lines stored so far."""
        while (start := await self._position()) < len(self._plan.steps):
            told(self._plan.steps[start].line)
            await self._create([one for one in self._plan.people if one.birth >= start])
            with suppress(_BehindError):
                await self._hand_over(start, told)
        told(self._plan.steps[-1].line + 1 if self._plan.steps else 0)

    async def history(self) -> list[Message]:
        """Read all messages, with every client fetching pages."""
        first = await self._page(self._clients[0], after_seq=0)
        found = {message["seq"]: message for message in first["messages"]}

        async def fetch(client: Client, after_seq: int) -> None:
            page = await self._page(client, after_seq=after_seq)
            found.update((message["seq"], message) for message in page["messages"])

        await self._share(range(PAGE, first["last_seq"], PAGE), fetch)
        return [found[seq] for seq in sorted(found)]

    async def members(self) -> dict[str, str]:
        """Read who is a member, and their names."""
        members: dict[str, str] = {}
        more = True
        while more:
            params: dict[str, str | int] = {"limit": PAGE}
            if members:
                params["after"] = list(members)[-1]
            page = await self._ask_as_bot(self._clients[0], "/members", params)
            members |= {one["user_id"]: one["display_name"] for one in page["members"]}
            more = page["has_more"]
        return members

    async def _position(self) -> int:
        """Find the first step that is not done, and the messages that later steps answer."""
        steps, position = self._plan.steps, 0
        later: list[Message] = []
        found = False
        async for message in self._backwards():
            post = self._posts.get((message["sender_id"], message["client_message_id"]))
            if post is None:
                later.append(message)
                continue
            index, step = post
            if not found:
                found = True
                position = _after(steps, index + 1, reversed(later))
                needed = min(_answered(steps[position:]), default=step.line)
            self._stored[step.line] = message["id"]
            if step.line <= needed and step.part == 0:
                break
        return position if found else _after(steps, 0, reversed(later))

    async def _backwards(self) -> AsyncIterator[Message]:
        before: dict[str, int] = {}
        more = True
        while more:
            page = await self._page(self._clients[0], **before)
            for message in reversed(page["messages"]):
                yield message
            more = page["has_more"] and bool(page["messages"])
            if more:
                before = {"before_seq": page["messages"][0]["seq"]}

    async def _create(self, people: Iterable[Person]) -> None:
        async def create(client: Client, person: Person) -> None:
            await _upsert(client, self._tokens, person.user_id, person.name)

        await self._share(people, create)

    async def _share(
        self, work: Iterable[_Work], do: Callable[[Client, _Work], Awaitable[None]]
    ) -> None:
        """Let every client take from the work until none is left."""
        rest = iter(work)

        async def take(client: Client) -> None:
            for one in rest:
                await do(client, one)

        async with _together() as group:
            for client in self._clients:
                group.create_task(take(client))

    async def _hand_over(self, start: int, told: Callable[[int], None]) -> None:
        """Do the steps from `start` on, each by its own client after the one before."""
        steps = self._plan.steps
        turns = [asyncio.Event() for _ in range(start, len(steps) + 1)]
        turns[0].set()

        async def act(client: Client, own: Sequence[int]) -> None:
            for index in own:
                await turns[index - start].wait()
                await self._do(client, steps[index])
                turns[index + 1 - start].set()
                told(steps[index].line + isinstance(steps[index], Post))

        hands: list[list[int]] = [[] for _ in self._clients]
        for index in range(start, len(steps)):
            hands[self._place[self._actor(steps[index])] % len(hands)].append(index)
        async with _together() as group:
            for client, own in zip(self._clients, hands, strict=True):
                group.create_task(act(client, own))

    def _actor(self, step: Step) -> str:
        match step:
            case Post():
                return step.sender_id
            case Remove():
                return step.actor_id
            case Add() | Rename():
                return self._plan.bot_id

    async def _do(self, client: Client, step: Step) -> None:
        token = self._tokens.of(self._actor(step))
        match step:
            case Add():
                body = {"member_ids": [step.user_id]}
                await client.ask("POST", f"{self._path}/members", token, json=body)
            case Remove():
                await client.ask("DELETE", f"{self._path}/members/{step.user_id}", token)
            case Rename():
                await _upsert(client, self._tokens, step.user_id, step.name)
            case Post():
                await self._send(client, token, step)

    async def _send(self, client: Client, token: str, post: Post) -> None:
        body: dict[str, Any] = {
            "type": post.type,
            "content": post.content,
            "metadata": post.metadata,
            "client_message_id": post.client_message_id,
        }
        if post.answers is not None:
            body["reply_to_id"] = self._stored[post.answers]
        answer = await client.ask("POST", f"{self._path}/messages", token, json=body)
        if answer.get("duplicate"):
            raise _BehindError
        if post.part == 0:
            self._stored[post.line] = answer["message"]["id"]

    async def _page(self, client: Client, **where: int) -> dict[str, Any]:
        return await self._ask_as_bot(client, "/messages", {"limit": PAGE} | where)

    async def _ask_as_bot(
        self, client: Client, path: str, params: Mapping[str, str | int]
    ) -> dict[str, Any]:
        token = self._tokens.of(self._plan.bot_id)
        return await client.ask("GET", self._path + path, token, params=params)


@asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    """Run a task group out of which the first error comes alone."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def tells(step: Step, message: Message) -> bool:
    """Say whether a system message is about this change of members."""
    event = message["metadata"].get("event")
    match step:
        case Add():
            expected = "member_added"
        case Remove():
            expected = "member_left" if step.actor_id == step.user_id else "member_removed"
        case _:
            return False
    return bool(event == expected and message["metadata"].get("user_ids") == [step.user_id])


def _after(steps: Sequence[Step], position: int, later: Iterable[Message]) -> int:
    """Move on over the changes of members that messages after the last stored line tell of."""
    for message in later:
        following = position
        while following < len(steps) and isinstance(steps[following], Rename):
            following += 1
        if following < len(steps) and tells(steps[following], message):
            position = following + 1
    return position


def _answered(steps: Iterable[Step]) -> list[int]:
    return [step.answers for step in steps if isinstance(step, Post) and step.answers is not None]


async def _upsert(
    client: Client, tokens: Tokens, user_id: str, name: str, kind: str = "person"
) -> None:
    await client.ask(
        "POST",
        "/v1/users",
        tokens.of_service(),
        json={"user_id": user_id, "display_name": name, "kind": kind},
    )
