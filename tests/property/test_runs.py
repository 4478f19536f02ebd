"""Random questions, workers and endings, in the database and on a simple model: both must agree.

Each seed is another walk. `RUNS_SEEDS` in the environment makes it longer, for a nightly run.
"""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.rpc.assistant.runs import held
from tests.rpc.behind import rows, set_limit
from tests.support import Connection, Json, call, connect, new_tenant, new_user, succeed, violations

SEEDS = int(os.environ.get("RUNS_SEEDS", "6"))
STEPS = 150
TRIES = 2
UNDER_WAY = {"queued", "in_progress"}
ERROR = {"code": "broken", "message": "it is broken"}

WORDS = ["why?", "how?"]
KEYS = [None, None, "one", "two"]
PIECES = ["I ", "would ", "naïve 🚲", " ", "", None]
ANSWERS = ["because", None, None, " "]


@dataclass(eq=False)
class Message:
    """What somebody said."""

    id: str
    by: str
    content: str
    key: str | None = None
    is_deleted: bool = False
    marks: Json = field(default_factory=dict)


@dataclass(eq=False)
class Run:
    """An answer that is owed, or was."""

    id: str
    question: Message
    status: str = "queued"
    is_wanted: bool = True
    tries: int = 0
    attempts: int = 0
    lease: str | None = None
    said: str = ""
    answer: Message | None = None
    error: str | None = None


@dataclass(eq=False)
class Thread:
    """What the user and the assistant have said, and what was asked."""

    id: str
    messages: list[Message] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    is_closed: bool = False

    @property
    def active(self) -> Run | None:
        """The run that is under way."""
        return next((run for run in self.runs if run.status in UNDER_WAY), None)

    def finish(self, run: Run, status: str, content: str | None, error: str | None = None) -> None:
        """End a run; what was said becomes a message."""
        answer = content if content and content.strip() else run.said
        run.status, run.error, run.lease, run.said = status, error, None, ""
        if not answer.strip():
            problem = "empty_answer"
        elif self.is_closed:
            problem = "conversation_closed"
        else:
            problem = None
            marks = {} if status == "completed" else {"partial": True, "status": status}
            run.answer = Message(run.id, "assistant", answer, marks={"run_id": run.id} | marks)
            self.messages.append(run.answer)
        if status == "completed" and problem:
            run.status, run.error = "failed", problem


class Walk:
    """Does the same to both, and compares every answer."""

    def __init__(self, db: Connection, seed: int) -> None:
        self.db = db
        self.random = random.Random(seed)
        self.due: list[tuple[Thread, Run]] = []  # what a worker may have, oldest first
        self.claims: list[tuple[Thread, Run, Json]] = []  # what workers were ever given
        set_limit(db, "run_attempts", TRIES)
        self.ann = new_user(db, "Ann", tenant_id=new_tenant(db))
        self.threads = [
            Thread(succeed(db, "create_thread_atomic", actor_id=self.ann)["thread_id"])
            for _ in range(2)
        ]
        self.assistant = str(
            rows(
                self.db,
                "select user_id from chat.members where conversation_id = %s and role = 'member'",
                self.threads[0].id,
            )[0][0]
        )

    def goes(self) -> None:
        """Do one thing after another, and compare each time."""
        weights: dict[Callable[[], None], int] = {
            self.asks: 6,
            self.asks_again: 4,
            self.says: 1,
            self.takes_back: 3,
            self.closes_or_reopens: 1,
            self.cancels: 1,
            self.claims_what_is_owed: 9,
            self.adds: 9,
            self.completes: 3,
            self.fails: 1,
            self.gives_back: 1,
            self.loses_a_worker: 2,
            self.waits_too_long: 1,
        }
        for _ in range(STEPS):
            self.random.choices(list(weights), list(weights.values()))[0]()
            self.both_show_the_same()
        assert violations(self.db) == []

    def both_show_the_same(self) -> None:
        """Compare what is said and what became of what was asked."""
        for thread in self.threads:
            about = {"conversation_id": thread.id, "actor_id": self.ann}
            shown = succeed(self.db, "list_messages", **about, limit=20)["messages"]
            assert [
                (one["id"], one["content"], one["metadata"], one["sender_id"]) for one in shown
            ] == [
                (
                    one.id,
                    None if one.is_deleted else one.content,
                    {} if one.is_deleted else one.marks,
                    self.ann if one.by == "ann" else self.assistant,
                )
                for one in thread.messages[-20:]
            ]
            for run in thread.runs[-2:]:
                found = succeed(self.db, "get_run", **about, run_id=run.id)["data"]
                answer = run.answer.content if run.answer and not run.answer.is_deleted else ""
                assert (
                    found["status"],
                    found["attempt"],
                    found["content"],
                    (found["error"] or {}).get("code"),
                    found["answer_id"],
                ) == (
                    run.status,
                    run.attempts,
                    run.said or answer,
                    run.error,
                    run.answer.id if run.answer else None,
                )

    # What the user does.

    def asks(self) -> None:
        """Say something and ask for the answer."""
        where, content, key = self.somewhere(), self.random.choice(WORDS), self.random.choice(KEYS)
        before = self.with_key(where, key)
        result = self.act(where, "create_run_atomic", content=content, client_message_id=key)
        if before and before.content != content:
            assert result["error"] == "idempotency_conflict"
        elif before and (known := [run for run in where.runs if run.question is before]):
            assert (result["run_id"], result["duplicate"]) == (known[0].id, True)
        elif before and before.is_deleted:
            assert result["error"] == "not_found"
        else:
            self.asked(where, result, before or Message("", "ann", content, key))

    def asks_again(self) -> None:
        """Ask for an answer to what was said before."""
        where = self.somewhere()
        if not (own := [one for one in where.messages if one.by == "ann"]):
            return
        question = self.random.choice(own[-3:])
        result = self.act(where, "create_run_atomic", message_id=question.id)
        known = [
            run
            for run in where.runs
            if run.question is question
            and (
                (run.status in UNDER_WAY and run.is_wanted)
                or (run.status == "completed" and run.answer and not run.answer.is_deleted)
            )
        ]
        if known:
            assert (result["run_id"], result["duplicate"]) == (known[0].id, True)
        elif question.is_deleted:
            assert result["error"] == "not_found"
        else:
            self.asked(where, result, question)

    def says(self) -> None:
        """Say something and ask nothing."""
        where, content, key = self.somewhere(), self.random.choice(WORDS), self.random.choice(KEYS)
        before = self.with_key(where, key)
        result = self.act(where, "send_message_atomic", content=content, client_message_id=key)
        if before:
            assert result.get("duplicate", False) == (before.content == content)
        elif where.is_closed:
            assert result["error"] == "conversation_closed"
        else:
            where.messages.append(Message(result["message"]["id"], "ann", content, key))

    def takes_back(self) -> None:
        """Let who said something delete it."""
        where = self.somewhere()
        if not where.messages:
            return
        gone = self.random.choice(where.messages[-3:])
        actor_id = self.ann if gone.by == "ann" else self.assistant
        result = call(
            self.db,
            "delete_message_atomic",
            conversation_id=where.id,
            actor_id=actor_id,
            message_id=gone.id,
        )
        if where.is_closed and not gone.is_deleted:
            assert result["error"] == "conversation_closed"
        else:
            assert result.get("duplicate", False) == gone.is_deleted
            gone.is_deleted = True

    def closes_or_reopens(self) -> None:
        """Close a thread, or open it again."""
        where = next((one for one in self.threads if one.is_closed), self.somewhere())
        verb = "reopen" if where.is_closed else "close"
        assert self.act(where, f"{verb}_conversation_atomic")["success"]
        where.is_closed = not where.is_closed

    def cancels(self) -> None:
        """Want no answer any more."""
        where = self.somewhere()
        if not where.runs:
            return
        unwanted = self.random.choice(where.runs[-2:])
        result = self.act(where, "cancel_run_atomic", run_id=unwanted.id)
        assert result["changed"] == (unwanted.status in UNDER_WAY)
        if result["changed"]:
            self.finish(where, unwanted, "cancelled", None)

    # What workers do.

    def claims_what_is_owed(self) -> None:
        """Take the oldest that is due; what cannot be answered any more ends on the way."""
        result = succeed(self.db, "claim_run", worker="one", lease="1 hour")
        ended = 0
        for where, run in list(self.due):
            if not run.is_wanted:
                self.finish(where, run, "expired", None)
            elif run.tries >= TRIES:
                self.finish(where, run, "failed", None, "worker_lost")
            elif run.question.is_deleted:
                self.finish(where, run, "cancelled", None)
            else:
                data = result["data"]
                assert (data["id"], data["attempt"]) == (run.id, run.attempts + 1)
                told = [
                    one.content
                    for one in where.messages[: where.messages.index(run.question) + 1]
                    if not one.is_deleted
                ]
                assert [one["content"] for one in data["messages"]] == told
                run.status, run.lease, run.said = "in_progress", data["lease"], ""
                run.tries, run.attempts = run.tries + 1, run.attempts + 1
                self.due.remove((where, run))
                self.claims.append((where, run, held(data)))
                break
            ended += 1
        else:
            assert result["data"] is None
        assert result["ended"] == ended

    def adds(self) -> None:
        """Say a piece, or that one lives."""
        if not self.claims:
            return
        where, run, lease = self.claim()
        content = self.random.choice(PIECES)
        told = self.random.choice([None, "exactly", "exactly", "again", "too far"])
        length = len(run.said)
        offset = {None: None, "exactly": length, "again": length - 1, "too far": length + 1}[told]
        result = call(self.db, "append_run_delta", **lease, content=content, offset=offset)
        if not self.has(run, lease) or not run.is_wanted:
            assert (result["active"], result["offset"]) == (False, length)
            return
        if content and told == "too far":
            assert result["error"] == "validation_error"
            return
        if content and told == "again":
            assert (result["duplicate"], result["offset"]) == (True, length)
            return
        run.said += content or ""
        assert (result["active"], result["offset"]) == (True, len(run.said))
        if (where, run) in self.due:
            self.due.remove((where, run))

    def completes(self) -> None:
        """Give the whole answer."""
        if not self.claims:
            return
        (where, run, lease), content = self.claim(), self.random.choice(ANSWERS)
        result = succeed(self.db, "complete_run_atomic", **lease, content=content)
        assert result["changed"] == self.has(run, lease)
        if result["changed"]:
            self.finish(where, run, "completed", content)

    def fails(self) -> None:
        """Give no answer."""
        if not self.claims:
            return
        where, run, lease = self.claim()
        result = succeed(self.db, "fail_run_atomic", **lease, error=ERROR)
        assert result["changed"] == self.has(run, lease)
        if result["changed"]:
            self.finish(where, run, "failed", None, "broken")

    def gives_back(self) -> None:
        """Leave it to another."""
        if not self.claims:
            return
        where, run, lease = self.claim()
        result = succeed(self.db, "release_run_atomic", **lease)
        assert result["changed"] == self.has(run, lease)
        if result["changed"]:
            run.status, run.lease, run.said, run.tries = "queued", None, "", run.tries - 1
            self.is_due_now(where, run)

    # What time does.

    def loses_a_worker(self) -> None:
        """Let the lease of a thread's run end."""
        where = self.somewhere()
        if (run := where.active) and run.status == "in_progress":
            rows(
                self.db,
                "update chat.runs set due_at = clock_timestamp() where run_id = %s",
                run.id,
            )
            self.is_due_now(where, run)

    def waits_too_long(self) -> None:
        """Let a thread's run be overdue."""
        where = self.somewhere()
        if run := where.active:
            rows(
                self.db,
                "update chat.runs set expires_at = clock_timestamp(),"
                " due_at = least(due_at, clock_timestamp()) where run_id = %s",
                run.id,
            )
            run.is_wanted = False
            if (where, run) not in self.due:
                self.due.append((where, run))

    # Of the model alone.

    def act(self, thread: Thread, function: str, **arguments: Any) -> Json:
        """Let Ann do something in a thread."""
        result: Json = call(
            self.db, function, conversation_id=thread.id, actor_id=self.ann, **arguments
        )
        return result

    def somewhere(self) -> Thread:
        return self.random.choice(self.threads)

    def claim(self) -> tuple[Thread, Run, Json]:
        """Return a claim, mostly one that is still good."""
        return self.random.choice(self.claims[-3:])

    def with_key(self, thread: Thread, key: str | None) -> Message | None:
        return next((one for one in thread.messages if key and one.key == key), None)

    def has(self, run: Run, lease: Json) -> bool:
        """Tell whether a claim is still good."""
        return bool(run.lease == lease["lease"])

    def asked(self, thread: Thread, result: Json, question: Message) -> None:
        """Ask in the model, if it can be asked."""
        if thread.is_closed:
            assert result["error"] == "conversation_closed"
            return
        if (active := thread.active) and active.is_wanted:
            assert result["error"] == "run_in_progress"
            assert result["details"] == {"run_id": active.id}
            return
        if active:
            self.finish(thread, active, "expired", None)
        if question not in thread.messages:
            question.id = result["message"]["id"]
            thread.messages.append(question)
        assert (result["message"]["id"], result["data"]["status"]) == (question.id, "queued")
        run = Run(result["run_id"], question)
        thread.runs.append(run)
        self.due.append((thread, run))

    def finish(
        self, thread: Thread, run: Run, status: str, content: str | None, error: str | None = None
    ) -> None:
        thread.finish(run, status, content, error)
        if (thread, run) in self.due:
            self.due.remove((thread, run))

    def is_due_now(self, thread: Thread, run: Run) -> None:
        """Put a run behind those that are due already."""
        if (thread, run) in self.due:
            self.due.remove((thread, run))
        self.due.append((thread, run))


@pytest.fixture
def db(shared_database: str) -> Iterator[Connection]:
    """Yield a connection whose work is always rolled back."""
    with connect(shared_database, None, autocommit=False) as connection:
        yield connection
        connection.rollback()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_database_agrees_with_the_model(db: Connection, seed: int) -> None:
    Walk(db, seed).goes()
