"""Races told as steps: who does what, who waits for whom, and how the first one ends."""

import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support import PATIENCE, Json, Racer, new_user, refuse, succeed, wait_for

both_orders = pytest.mark.parametrize("swapped", [False, True], ids=["in_order", "swapped"])


@dataclass(frozen=True)
class Step:
    """One call somebody makes."""

    racer: Racer
    function: str
    arguments: dict[str, Any]

    def run(self) -> Json:
        """Call and wait for the answer."""
        answer: Json = self.start().result(PATIENCE)
        return answer

    def start(self) -> Future[Json]:
        """Call without waiting for the answer."""
        return self.racer.start(self.function, **self.arguments)

    def start_blocked(self) -> Future[Json]:
        """Call, and see it wait for somebody's lock."""
        return self.racer.start_blocked(self.function, **self.arguments)

    def succeed(self) -> Json:
        """Call; it must succeed."""
        return succeed(self.racer.connection, self.function, **self.arguments)

    def refuse(self, code: str) -> Json:
        """Call; it must be refused with this code."""
        return refuse(self.racer.connection, code, self.function, **self.arguments)


@dataclass(frozen=True)
class Person:
    """A user on a connection of their own."""

    name: str
    id: str
    racer: Racer = field(repr=False)
    enter: Callable[[str], Racer] = field(repr=False)

    def device(self) -> "Person":
        """Return the same person on another connection."""
        name = f"{self.name}, other device"
        return Person(name, self.id, self.enter(name), self.enter)

    def begin(self) -> None:
        """Open a transaction."""
        self.racer.begin()

    def commit(self) -> None:
        """Commit it."""
        self.racer.commit()

    def rollback(self) -> None:
        """Roll it back."""
        self.racer.rollback()

    def step(self, function: str, **arguments: Any) -> Step:
        """Name a call made as oneself."""
        return Step(self.racer, function, {"actor_id": self.id, **arguments})

    def opens_direct(self, other: "Person", text: str | None = None) -> Step:
        return self.step(
            "create_conversation_atomic", kind="direct", member_ids=[other.id], initial_message=text
        )

    def opens_group(self, *members: "Person", key: str | None = None, title: str = "G") -> Step:
        return self.step(
            "create_conversation_atomic",
            kind="group",
            member_ids=[one.id for one in members],
            title=title,
            client_key=key,
        )

    def asks_for_help(self, key: str | None = None) -> Step:
        return self.step("create_help_request_atomic", title="Help", client_key=key)

    def closes_request(self, request: str) -> Step:
        return self.step("close_help_request_atomic", help_request_id=request)

    def helps(self, request: str) -> Step:
        return Step(
            self.racer,
            "create_conversation_atomic",
            {"help_request_id": request, "helper_id": self.id, "initial_message": "I can help"},
        )

    def blocks(self, other: "Person") -> Step:
        return self.step("block_user_atomic", user_id=other.id)

    def unblocks(self, other: "Person") -> Step:
        return self.step("unblock_user_atomic", user_id=other.id)

    def adds(self, chat: str, *others: "Person") -> Step:
        return self.step(
            "add_members_atomic", conversation_id=chat, member_ids=[one.id for one in others]
        )

    def removes(self, chat: str, other: "Person") -> Step:
        return self.step("remove_member_atomic", conversation_id=chat, user_id=other.id)

    def leaves(self, chat: str) -> Step:
        return self.removes(chat, self)

    def makes(self, chat: str, other: "Person", role: str) -> Step:
        return self.step(
            "change_member_role_atomic", conversation_id=chat, user_id=other.id, role=role
        )

    def sends(self, chat: str, text: str = "hello", key: str | None = None, **more: Any) -> Step:
        return self.step(
            "send_message_atomic",
            conversation_id=chat,
            content=text,
            client_message_id=key,
            **more,
        )

    def edits(self, message: Json, text: str, seen: str | None = None) -> Step:
        return self._about(message, "edit_message", content=text, expected_edited_at=seen)

    def deletes(self, message: Json) -> Step:
        return self._about(message, "delete_message")

    def reacts(self, message: Json, emoji: str) -> Step:
        return self._about(message, "add_reaction", emoji=emoji)

    def takes_back(self, message: Json, emoji: str) -> Step:
        return self._about(message, "remove_reaction", emoji=emoji)

    def reads(self, chat: str, seq: int | None = None) -> Step:
        return self.step("mark_read_atomic", conversation_id=chat, seq=seq)

    def closes(self, chat: str) -> Step:
        return self.step("close_conversation_atomic", conversation_id=chat)

    def reopens(self, chat: str) -> Step:
        return self.step("reopen_conversation_atomic", conversation_id=chat)

    def sees(self, chat: str) -> list[Json]:
        """Return the messages they see."""
        messages: list[Json] = self.step("list_messages", conversation_id=chat).succeed()[
            "messages"
        ]
        return messages

    def unread(self, chat: str) -> int:
        """Return how many messages they have not read."""
        count: int = self.reads(chat, 0).succeed()["unread_count"]
        return count

    def _about(self, message: Json, verb: str, **arguments: Any) -> Step:
        return self.step(
            f"{verb}_atomic",
            conversation_id=message["conversation_id"],
            message_id=message["id"],
            **arguments,
        )


class Cast:
    """Everybody in a test, and the service that acts for no one."""

    def __init__(self, enter: Callable[..., Racer]) -> None:
        self.enter = enter
        self.service = enter("service")

    def people(self, *names: str) -> list[Person]:
        """Make users, each on a connection; their ids sort in the order given."""
        ids = sorted(str(uuid.uuid4()) for _ in names)
        return [
            Person(
                name,
                new_user(self.service.connection, name, user_id=user_id),
                self.enter(name),
                self.enter,
            )
            for name, user_id in zip(names, ids, strict=True)
        ]

    def operation(self, function: str, **arguments: Any) -> Step:
        """Name a call of a service, on a connection of its own."""
        return Step(self.enter(function), function, arguments)

    def deactivates(self, person: Person) -> Step:
        return self.operation("deactivate_user_atomic", user_id=person.id)

    def erases(self, person: Person) -> Step:
        return self.operation("erase_user_atomic", user_id=person.id)

    def purges(self, chat: str) -> Step:
        return self.operation("purge_messages_atomic", before="infinity", conversation_id=chat)

    def rows(self, query: str, *values: Any) -> list[Any]:
        """Read tables as their owner; the first column of each row."""
        found = self.enter("reader", None).connection.execute(query, values).fetchall()
        return [row[0] for row in found]

    def owners(self, chat: str) -> set[str]:
        """Return who owns a group now."""
        return set(
            self.rows(
                "select user_id::text from chat.members where conversation_id = %s"
                " and role = 'owner' and left_seq is null",
                chat,
            )
        )

    def members(self, chat: str) -> set[str]:
        """Return who is in a conversation now."""
        return set(
            self.rows(
                "select user_id::text from chat.members"
                " where conversation_id = %s and left_seq is null",
                chat,
            )
        )


def meet(
    one: Step, other: Step, *, swapped: bool = False, ending: str = "commit"
) -> tuple[Json, Json]:
    """Let one act in a transaction, the other wait for it, then end it; the answers of both.

    Swapped, the other acts first; the answers come in the order of the arguments all the same.
    """
    first, second = (other, one) if swapped else (one, other)
    first.racer.begin()
    early = first.run()
    waiting = second.start_blocked()
    first.racer.connection.execute(ending)
    late = waiting.result(PATIENCE)
    return (late, early) if swapped else (early, late)


def pass_by(one: Step, other: Step, *, swapped: bool = False) -> tuple[Json, Json]:
    """Let one act in a transaction and the other finish meanwhile, without waiting."""
    first, second = (other, one) if swapped else (one, other)
    first.racer.begin()
    early = first.run()
    late = second.run()
    first.racer.commit()
    return (late, early) if swapped else (early, late)


def wait_until_behind(racer: Racer, holder: Racer) -> None:
    """Wait until one racer waits for a transaction that another has open."""
    wait_for(
        lambda: (
            holder.connection.execute(
                "select %s = any (pg_blocking_pids(%s))", [holder.pid, racer.pid]
            ).fetchone()
            == (True,)
        ),
        f"{racer.name} to wait for {holder.name}",
    )


def said(answer: Json) -> str:
    """Return what an answer comes to: done, duplicate, or the code of the refusal."""
    if answer["success"]:
        return "duplicate" if answer.get("duplicate") else "done"
    code: str = answer["error"]
    return code
