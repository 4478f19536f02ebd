"""What is asked has one answer or one recorded failure, wherever the worker dies."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
import uvloop

from tests import bots
from tests.bots import CHATTERBOX, FAIL
from tests.chaos.dying import RUN_POINTS
from tests.chaos.http import Connection as Link
from tests.chaos.stage import Server
from tests.http.support import token
from tests.rpc.assistant.runs import new_thread
from tests.support import Connection, connect, new_user, violations, wait_for

Serve = Callable[..., list[Server]]

THREADS = 50
ASKERS = 200  # all at once, four to a thread
AT_ONCE = 2  # answers a server gives at the same time
LEASE = "3 seconds"
KILLS = 7
ANSWER_TIMEOUT = 10.0
BACK_OFF = 0.5
LONGEST = 300.0
LOST = "worker_lost"

BUSY = """
select count(*)
  from chat.runs r
  join chat.run_deltas d using (conversation_id, run_id)
 where r.worker like '%%/' || %s
"""
# Not the one that asks; any of those that serve.
CUT_ONE_OFF = """
select count(pg_terminate_backend(a.pid))
  from (select pid
          from pg_stat_activity
         where application_name = 'parley' and datname = current_database()
         order by random()
         limit 1) a
"""
FATES = """
select q.content, r.status, r.attempts, r.error ->> 'code' as code, a.content, a.metadata
  from chat.messages q
  left join chat.runs r on r.conversation_id = q.conversation_id and r.message_id = q.id
  left join chat.messages a on a.conversation_id = q.conversation_id and a.reply_to_id = q.id
 where q.source = 'person'
"""


@dataclass(frozen=True)
class Fate:
    """What became of a question: its run, and whatever answers it."""

    question: str
    status: str | None
    attempts: int
    code: str | None
    answer: str | None
    metadata: Any

    def faults(self) -> Iterator[str]:
        """Tell what is wrong with it."""
        whole = "".join(bots.chatter(self.question))
        if self.status == "completed":
            if FAIL in self.question or self.answer != whole or "partial" in self.metadata:
                yield f"completed: {self}"
        elif self.status == "failed":
            if self.code not in {LOST} | ({FAIL} if FAIL in self.question else set()):
                yield f"failed: {self}"
            if self.answer is not None and not (
                whole.startswith(self.answer) and self.metadata["partial"]
            ):
                yield f"partial: {self}"
        else:
            yield f"not ended: {self}"


class Talks:
    """People, each with threads, and all that was asked in them."""

    def __init__(self, dsn: str, threads: int) -> None:
        self.service: Connection = connect(dsn)
        self.login: Connection = connect(dsn, None)
        self.login.execute(f"update chat.limits set run_lease = '{LEASE}'".encode())
        self.ann = new_user(self.service, "Ann")
        self.threads = [new_thread(self.service, self.ann) for _ in range(threads)]

    def left(self) -> int:
        """Return how many questions are not settled yet."""
        return self.count("select count(*) from chat.runs where finished_at is null")

    def count(self, query: str, *given: Any) -> int:
        """Ask for a number."""
        row = self.login.execute(query.encode(), given).fetchone()
        assert row
        number: int = row[0]
        return number

    def check(self, asked: Sequence[str]) -> list[Fate]:
        """Wait until nothing is left, and look at what became of each question."""
        while before := self.left():
            wait_for(lambda n=before: self.left() != n, f"one of {before} to settle")  # type: ignore[misc]
        fates = [Fate(*row) for row in self.login.execute(FATES.encode()).fetchall()]
        # One row a question: so each has one run, and one answer at most.
        assert sorted(fate.question for fate in fates) == sorted(asked)
        assert [fault for fate in fates for fault in fate.faults()] == []
        assert self.count("select count(*) from chat.run_deltas") == 0
        assert violations(self.service) == []
        return fates

    def close(self) -> None:
        """End it."""
        self.service.close()
        self.login.close()


@pytest.fixture
def open_talks(dsn: str) -> Iterator[Callable[[int], Talks]]:
    with ExitStack() as stack:

        def enter(threads: int) -> Talks:
            talks = Talks(dsn, threads)
            stack.callback(talks.close)
            return talks

        yield enter


async def ask(
    talks: Talks, servers: Sequence[Server], thread: str, question: str, random: Random
) -> str:
    """Ask until it is taken in: the thread may be busy, the servers may be dead."""
    links = [Link(server.port, ANSWER_TIMEOUT) for server in servers]
    body = {"content": question, "client_message_id": question}
    bearer = token(talks.ann)
    try:
        while True:
            link = random.choice(links)
            try:
                path = f"/api/v1/chatkit/threads/{thread}/runs"
                answer = await link.ask("POST", path, bearer, body)
            except OSError:
                answer = None
            if answer and answer.is_success:
                return question
            if answer and answer.status < 500 and answer.body["error"] != "run_in_progress":
                raise AssertionError(answer)
            await asyncio.sleep(BACK_OFF * (1 + random.random()))
    finally:
        for link in links:
            link.close()


async def ask_all(talks: Talks, servers: Sequence[Server], count: int) -> list[str]:
    """Ask so much, all at once; what was asked."""
    threads = [talks.threads[number % len(talks.threads)] for number in range(count)]
    words = [f"{FAIL} {n}" if n % 20 == 0 else f"why {n}" for n in range(count)]
    asked = asyncio.gather(
        *(
            ask(talks, servers, thread, question, Random(question))
            for thread, question in zip(threads, words, strict=True)
        )
    )
    return await asyncio.wait_for(asked, LONGEST)


@pytest.mark.parametrize("point", RUN_POINTS)
def test_a_worker_that_dies_by_itself_leaves_its_answer_to_another(
    serve: Serve,
    open_talks: Callable[[int], Talks],
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    talks = open_talks(6)
    (other,) = serve("other", PARLEY_RUNS_AT_ONCE="0")
    with monkeypatch.context() as patch:
        patch.setattr(Server, "program", ("tests.chaos.dying", point, "serve"))
        (server,) = serve("one", PARLEY_RESPONDER=CHATTERBOX)
    asked = uvloop.run(ask_all(talks, [other], 6))
    wait_for(server.has_died, f"the worker to die when it has {point}")
    server.program = Server.program
    server.start()
    fates = talks.check(asked)
    assert LOST not in {fate.code for fate in fates}
    if point not in ("completing", "completed"):
        assert max(fate.attempts for fate in fates) == 2


def test_a_worker_that_wakes_up_when_others_have_answered_changes_nothing(
    serve: Serve, open_talks: Callable[[int], Talks]
) -> None:
    talks = open_talks(2)
    (other,) = serve("other", PARLEY_RUNS_AT_ONCE="0")
    (sleeper,) = serve("sleeper", PARLEY_RESPONDER=CHATTERBOX)
    asked = uvloop.run(ask_all(talks, [other], 2))
    wait_for(lambda: talks.count(BUSY, str(sleeper.pid)), "it to be in the middle of an answer")
    sleeper.freeze()
    serve("third", PARLEY_RESPONDER=CHATTERBOX)
    before = talks.check(asked)
    assert max(fate.attempts for fate in before) == 2
    sleeper.thaw()
    wait_for(lambda: sleeper.told("run") == len(asked), "it to let go of what is not its own")
    assert talks.check(asked) == before


def test_workers_killed_at_random_leave_each_question_one_answer_or_one_failure(
    serve: Serve, open_talks: Callable[[int], Talks]
) -> None:
    talks = open_talks(THREADS)
    servers = serve(
        "one", "other", "third", PARLEY_RESPONDER=CHATTERBOX, PARLEY_RUNS_AT_ONCE=str(AT_ONCE)
    )
    done = threading.Event()
    kills: list[bool] = []  # true: it was in the middle of an answer

    def kill() -> None:
        whims = Random("kills")
        for _ in range(KILLS):
            if done.wait(whims.uniform(0.2, 1.0)):
                break
            server = whims.choice(servers)
            kills.append(talks.count(BUSY, str(server.pid)) > 0)
            server.kill()
            server.start()
            talks.count(CUT_ONE_OFF)

    with ThreadPoolExecutor(1) as killer:
        killing = killer.submit(kill)
        try:
            asked = uvloop.run(ask_all(talks, servers, ASKERS))
        finally:
            done.set()
        killing.result()
    fates = talks.check(asked)
    assert len(fates) == ASKERS
    assert any(kills)
    assert max(fate.attempts for fate in fates) > 1
