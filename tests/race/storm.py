"""A storm: many connections doing anything at all, over few users and conversations.

`python -m tests.race.storm DSN --operations 20000 --seed 7` runs one against a migrated database.
"""

import argparse
import secrets
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg

from tests.support import Json, at_once, call, connect, new_users, succeed, violations

PEOPLE = 12
KEYS = [f"key {number}" for number in range(6)]
WORDS = ["yes", "no", "perhaps", "later", "never"]
EMOJI = ["👍", "🎉", "❤️"]
CONVERSATIONS = 5  # of each sort; as new ones are opened, old ones are forgotten
MESSAGES = 50
LOOK_EVERY = 200
REACHABLE = """
    select m.conversation_id::text, m.user_id::text
      from chat.members m
      join chat.conversations c on c.conversation_id = m.conversation_id
     where m.left_seq is null and m.conversation_id = any (%s::uuid[])
       and (m.role <> 'member' or not %s)
     order by random()
     limit 1"""


@dataclass
class World:
    """What all connections know: whom there is, what they talk in, what was said there."""

    people: list[str]
    groups: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, function: str, answer: Json) -> None:
        """Remember what an answer tells, for everybody's next choices."""
        with self.lock:
            self.answers[function, "done" if answer["success"] else answer["error"]] += 1
            if conversation := answer.get("conversation"):
                kept = self.groups if conversation["kind"] == "group" else self.others
                self._keep(kept, conversation["conversation_id"], CONVERSATIONS)
            for one in [answer, *(answer.get("results") or [])]:
                if one.get("success") and (message := one.get("message")):
                    place = (message["conversation_id"], message["id"])
                    self._keep(self.messages, place, MESSAGES)
            if request := answer.get("help_request_id"):
                self._keep(self.requests, request, len(KEYS))

    def fail(self, what: str) -> None:
        """Remember what should never happen."""
        with self.lock:
            self.failures.append(what)

    @staticmethod
    def _keep(known: list[Any], one: Any, most: int) -> None:
        if one not in known:
            known.append(one)
            del known[:-most]


class Sailor:
    """One connection and the random choices made on it."""

    def __init__(self, world: World, dsn: str, seed: str) -> None:
        self.world = world
        self.dsn = dsn
        self.reader = connect(dsn, None)
        self.random = Random(seed)
        self.marks: dict[tuple[str, str], int] = {}

    def sail(self, operations: int) -> None:
        """Do so many operations; note every exception and every answer that cannot be."""
        choices = list(OPERATIONS)
        weights = [OPERATIONS[choice] for choice in choices]
        with self.reader, connect(self.dsn) as connection:
            connection.execute("set lock_timeout = '60s'")
            for number in range(operations):
                function, arguments = self.random.choices(choices, weights)[0](self)
                try:
                    answer = call(connection, function, **arguments)
                except psycopg.Error as error:
                    self.world.fail(f"operation {number}, {function}({arguments}): {error}")
                else:
                    self.check(function, arguments, answer)
                    self.world.note(function, answer)
                if number % LOOK_EVERY == 0:
                    self.look()

    def look(self) -> None:
        """See that what must hold holds in the middle of it, as one snapshot shows it."""
        for violation in violations(self.reader):
            self.world.fail(f"in between: {violation}")

    def check(self, function: str, arguments: Json, answer: Json) -> None:
        """See that marks never go back and that nothing is counted below zero."""
        if answer.get("unread_count", 0) < 0:
            self.world.fail(f"{function}({arguments}) counts {answer}")
        if function == "mark_read_atomic" and answer["success"]:
            place = (arguments["conversation_id"], arguments["actor_id"])
            if answer["read_seq"] < self.marks.get(place, 0):
                self.world.fail(f"{function}({arguments}) went back: {answer}")
            self.marks[place] = answer["read_seq"]

    def one(self, known: Sequence[Any]) -> Any:
        """Choose among what is known; nothing may be known yet."""
        return self.random.choice(known) if known else None

    def person(self) -> str:
        return str(self.one(self.world.people))

    def persons(self, most: int) -> list[str]:
        return self.random.sample(self.world.people, self.random.randint(1, most))

    def place(self, among: Sequence[str] | None = None, *, manager: bool = False) -> Json:
        """Choose a conversation and somebody, mostly one of its members."""
        known = [*self.world.groups, *self.world.others] if among is None else list(among)
        row = None
        if self.random.random() < 0.85:
            row = self.reader.execute(REACHABLE, [known, manager]).fetchone()
        conversation, actor = row or (self.one(known), self.person())
        return {"conversation_id": conversation, "actor_id": actor}

    def group(self) -> Json:
        """Choose a group and mostly one of its managers."""
        return self.place(self.world.groups, manager=True)

    def message(self) -> Json:
        """Choose a message and mostly a member of its conversation."""
        conversation, message = self.one(self.world.messages) or (None, None)
        return self.place([conversation] if conversation else []) | {"message_id": message}


Operation = Callable[[Sailor], tuple[str, Json]]


def send(sailor: Sailor) -> tuple[str, Json]:
    return "send_message_atomic", _to_send(sailor)


def send_batch(sailor: Sailor) -> tuple[str, Json]:
    batch = [_to_send(sailor) for _ in range(sailor.random.randint(2, 8))]
    return "send_messages_atomic", {
        "messages": [{f"p_{name}": value for name, value in one.items()} for one in batch]
    }


def _to_send(sailor: Sailor) -> Json:
    message = sailor.place() | {"content": sailor.one(WORDS)}
    if sailor.random.random() < 0.3:
        message["client_message_id"] = sailor.one(KEYS)
    if sailor.random.random() < 0.3 and sailor.world.messages:
        conversation, answered = sailor.one(sailor.world.messages)
        message |= {"conversation_id": conversation, "reply_to_id": answered}
    return message


def edit(sailor: Sailor) -> tuple[str, Json]:
    return "edit_message_atomic", sailor.message() | {"content": sailor.one(WORDS)}


def delete(sailor: Sailor) -> tuple[str, Json]:
    return "delete_message_atomic", sailor.message()


def react(sailor: Sailor) -> tuple[str, Json]:
    return "add_reaction_atomic", sailor.message() | {"emoji": sailor.one(EMOJI)}


def take_back(sailor: Sailor) -> tuple[str, Json]:
    return "remove_reaction_atomic", sailor.message() | {"emoji": sailor.one(EMOJI)}


def mark_read(sailor: Sailor) -> tuple[str, Json]:
    return "mark_read_atomic", sailor.place() | {"seq": _mark(sailor)}


def mark_delivered(sailor: Sailor) -> tuple[str, Json]:
    return "mark_delivered_atomic", sailor.place() | {"seq": _mark(sailor)}


def _mark(sailor: Sailor) -> int | None:
    return None if sailor.random.random() < 0.5 else sailor.random.randint(0, 30)


def open_direct(sailor: Sailor) -> tuple[str, Json]:
    one, other = sailor.random.sample(sailor.world.people, 2)
    first = sailor.one([None, *WORDS])
    return "create_conversation_atomic", {
        "kind": "direct",
        "actor_id": one,
        "member_ids": [other],
        "initial_message": first,
    }


def open_group(sailor: Sailor) -> tuple[str, Json]:
    return "create_conversation_atomic", {
        "kind": "group",
        "actor_id": sailor.person(),
        "member_ids": sailor.persons(5),
        "title": "A group",
        "initial_message": sailor.one([None, *WORDS]),
        "client_key": sailor.one([None, *KEYS]),
    }


def ask_for_help(sailor: Sailor) -> tuple[str, Json]:
    return "create_help_request_atomic", {
        "actor_id": sailor.person(),
        "title": "Help",
        "client_key": sailor.one([None, *KEYS]),
    }


def close_request(sailor: Sailor) -> tuple[str, Json]:
    return "close_help_request_atomic", {
        "help_request_id": sailor.one(sailor.world.requests),
        "actor_id": sailor.person(),
    }


def help_somebody(sailor: Sailor) -> tuple[str, Json]:
    return "create_conversation_atomic", {
        "help_request_id": sailor.one(sailor.world.requests),
        "helper_id": sailor.person(),
        "initial_message": "I can help",
    }


def block(sailor: Sailor) -> tuple[str, Json]:
    one, other = sailor.random.sample(sailor.world.people, 2)
    return "block_user_atomic", {"actor_id": one, "user_id": other}


def unblock(sailor: Sailor) -> tuple[str, Json]:
    one, other = sailor.random.sample(sailor.world.people, 2)
    return "unblock_user_atomic", {"actor_id": one, "user_id": other}


def add(sailor: Sailor) -> tuple[str, Json]:
    return "add_members_atomic", sailor.group() | {"member_ids": sailor.persons(6)}


def remove(sailor: Sailor) -> tuple[str, Json]:
    return "remove_member_atomic", sailor.group() | {"user_id": sailor.person()}


def leave(sailor: Sailor) -> tuple[str, Json]:
    place = sailor.place(sailor.world.groups)
    return "remove_member_atomic", place | {"user_id": place["actor_id"]}


def change_role(sailor: Sailor) -> tuple[str, Json]:
    role = sailor.one(["owner", "admin", "member"])
    return "change_member_role_atomic", sailor.group() | {"user_id": sailor.person(), "role": role}


def prefer(sailor: Sailor) -> tuple[str, Json]:
    return "set_notification_preferences_atomic", sailor.place() | {"notify": "mentions"}


def close(sailor: Sailor) -> tuple[str, Json]:
    return "close_conversation_atomic", sailor.place()


def reopen(sailor: Sailor) -> tuple[str, Json]:
    return "reopen_conversation_atomic", sailor.place()


def rename(sailor: Sailor) -> tuple[str, Json]:
    return "update_conversation_atomic", sailor.place() | {"title": sailor.one(WORDS)}


def purge(sailor: Sailor) -> tuple[str, Json]:
    return "purge_messages_atomic", {
        "before": sailor.one(["now", "infinity"]),
        "conversation_id": sailor.place()["conversation_id"]
        if sailor.random.random() < 0.8
        else None,
    }


def deactivate(sailor: Sailor) -> tuple[str, Json]:
    return "deactivate_user_atomic", {"user_id": sailor.person()}


def erase(sailor: Sailor) -> tuple[str, Json]:
    return "erase_user_atomic", {"user_id": sailor.person()}


def upsert(sailor: Sailor) -> tuple[str, Json]:
    """Bring somebody up to date or back; an erased person stays erased and is replaced."""
    place = sailor.random.randrange(PEOPLE)
    gone = sailor.reader.execute(
        "select user_id from chat.users where user_id = %s and erased_at is not null",
        [sailor.world.people[place]],
    ).fetchone()
    if gone:
        sailor.world.people[place] = str(uuid.uuid4())
    return "upsert_user_atomic", {
        "user_id": sailor.one([None, *[sailor.world.people[place]] * 5]),
        "display_name": "Somebody",
        "external_id": sailor.one([*[None] * 6, *KEYS]),
    }


def type_on(sailor: Sailor) -> tuple[str, Json]:
    return "announce_typing", sailor.place()


def maintain(_: Sailor) -> tuple[str, Json]:
    return "maintain", {}


def list_changes(sailor: Sailor) -> tuple[str, Json]:
    return "list_changes", sailor.place() | {"after_seq": sailor.random.randint(0, 30)}


def list_conversations(sailor: Sailor) -> tuple[str, Json]:
    return "list_conversations", {"actor_id": sailor.person()}


def get_status(sailor: Sailor) -> tuple[str, Json]:
    return "get_message_status", sailor.message()


OPERATIONS: dict[Operation, int] = {
    send: 30,
    send_batch: 12,
    edit: 6,
    delete: 4,
    react: 8,
    take_back: 4,
    mark_read: 10,
    mark_delivered: 5,
    open_direct: 5,
    open_group: 5,
    ask_for_help: 3,
    close_request: 1,
    help_somebody: 4,
    block: 2,
    unblock: 3,
    add: 14,
    remove: 8,
    leave: 3,
    change_role: 12,
    prefer: 2,
    close: 1,
    reopen: 4,
    rename: 2,
    purge: 2,
    deactivate: 2,
    erase: 1,
    upsert: 10,
    type_on: 2,
    maintain: 1,
    list_changes: 3,
    list_conversations: 3,
    get_status: 2,
}


def storm(dsn: str, *, sailors: int, operations: int, seed: str) -> World:
    """Let so many connections do so many operations in all; what came of it."""
    with connect(dsn, None) as login:
        login.execute("update chat.limits set outbox_retention = '100 milliseconds'")
    with connect(dsn) as connection:
        world = World(new_users(connection, PEOPLE))
        for owner in world.people[:4]:
            group = succeed(
                connection,
                "create_conversation_atomic",
                kind="group",
                actor_id=owner,
                member_ids=world.people[:6],
            )
            world.note("create_conversation_atomic", group)
    crew = [Sailor(world, dsn, f"{seed}/{number}") for number in range(sailors)]
    at_once([lambda one=one: one.sail(operations // sailors) for one in crew])  # type: ignore[misc]
    with connect(dsn) as connection:
        world.failures += [str(violation) for violation in violations(connection)]
    return world


def main() -> int:
    """Run storms from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dsn")
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--sailors", type=int, default=12)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    options = parser.parse_args()
    world = storm(
        options.dsn, sailors=options.sailors, operations=options.operations, seed=options.seed
    )
    for (function, answer), count in sorted(world.answers.items()):
        sys.stdout.write(f"{count:8}  {function}: {answer}\n")
    for failure in world.failures:
        sys.stdout.write(f"FAILED {failure}\n")
    sys.stdout.write(f"seed {options.seed}: {len(world.failures)} failures\n")
    return 1 if world.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
