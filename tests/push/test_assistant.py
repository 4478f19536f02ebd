"""What happens in a thread with the assistant reaches sockets, down to its end."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from tests.http.support import Link
from tests.push.support import Reader, Stage, contents, numbers, reading_held
from tests.push.test_hub import wait_until_attached
from tests.rpc.assistant import runs
from tests.support import wait_for
from thin_api.watches import Watches

Stages = Callable[..., Stage]


@pytest.fixture
def quiet(own_stage: Stages) -> Stage:
    """Return a server that answers nothing by itself."""
    return own_stage(runs_at_once=0)


def delete(stage: Stage, thread: str, owner: str) -> None:
    """Delete a thread."""
    stage.call("delete_thread_atomic", conversation_id=thread, actor_id=owner)


def test_an_answer_is_told_as_it_is_given(quiet: Stage) -> None:
    ada = quiet.person()
    readers: list[Reader] = [quiet.socket(ada), quiet.stream(ada)]
    thread = runs.new_thread(quiet.db, ada)
    runs.ask(quiet.db, thread, ada)
    run = runs.claim(quiet.db)
    runs.say(quiet.db, run, "Be")
    runs.say(quiet.db, run, "cause")
    answer = runs.complete(quiet.db, run)["message"]
    for reader in readers:
        told = reader.so_far()
        assert [frame["type"] for frame in told] == [
            "conversation_created",
            "message_created",
            "run_delta",
            "run_delta",
            "message_created",
            "run_completed",
        ]
        assert [(one["offset"], one["content"]) for one in told[2:4]] == [(0, "Be"), (2, "cause")]
        assert told[4]["message"] == answer
        assert (told[5]["run_id"], told[5]["message_id"]) == (run["id"], answer["id"])


def test_an_answer_is_logged_as_one_event_not_as_many(quiet: Stage) -> None:
    ada = quiet.person()
    socket = quiet.socket(ada)
    with capture_logs() as logs:
        thread = runs.new_thread(quiet.db, ada)
        runs.ask(quiet.db, thread, ada)
        run = runs.claim(quiet.db)
        for word in ("Be", "cause ", "of ", "that"):
            runs.say(quiet.db, run, word)
        runs.complete(quiet.db, run)
        socket.so_far()
    told = [one["type"] for one in logs if one["event"] == "event"]
    assert told.count("run_completed") == 1
    assert "run_delta" not in told
    assert "Because" not in str(logs)


def test_an_answer_that_fails_is_told_with_what_was_said(quiet: Stage) -> None:
    ada = quiet.person()
    thread = runs.new_thread(quiet.db, ada)
    socket = quiet.socket(ada)
    runs.ask(quiet.db, thread, ada)
    run = runs.claim(quiet.db)
    runs.say(quiet.db, run, "I am")
    runs.fail(quiet.db, run, "broken")
    *_, partial, failed = socket.so_far()
    assert partial["message"]["content"] == "I am"
    assert failed["type"] == "run_failed"
    assert (failed["status"], failed["error"]["code"]) == ("failed", "broken")
    assert failed["message_id"] == partial["message"]["id"]


def test_a_question_wakes_who_answers_and_nobody_else_hears_of_it(
    quiet: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bo = quiet.people(2)
    thread = runs.new_thread(quiet.db, ada)
    socket = quiet.socket(bo)
    woken: list[int] = []
    monkeypatch.setattr(quiet.hub, "on_run", lambda: woken.append(1))
    quiet.send(thread, ada, "a note")
    assert socket.so_far() == []
    assert woken == []
    runs.ask(quiet.db, thread, ada)
    wait_for(lambda: woken, "the worker to be woken")
    assert socket.so_far() == []


def test_who_answers_looks_when_it_may_have_missed_a_question(
    own_stage: Stages, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = own_stage(listen_url=link.dsn, runs_at_once=0)
    woken: list[int] = []
    monkeypatch.setattr(stage.hub, "on_run", lambda: woken.append(1))
    link.cut()
    wait_for(lambda: not stage.hub._attached.is_set(), "the hub to notice")
    link.heal()
    wait_for(lambda: woken, "the worker to be woken")


def test_a_deleted_thread_ends_for_its_sockets(quiet: Stage) -> None:
    ada = quiet.person()
    thread, other = runs.new_thread(quiet.db, ada), runs.new_thread(quiet.db, ada)
    quiet.send(thread, ada, "one")
    readers: list[Reader] = [quiet.socket(ada), quiet.socket(ada), quiet.stream(ada)]
    delete(quiet, thread, ada)
    quiet.send(other, ada, "two")
    for reader in readers:
        deleted, after = reader.so_far()
        assert deleted == {"type": "conversation_deleted", "conversation_id": thread}
        assert after["message"]["content"] == "two"
    assert thread not in quiet.hub._rooms
    assert other in quiet.hub._rooms


def test_a_thread_deleted_while_a_socket_opens_is_told_or_not_there(quiet: Stage) -> None:
    ada = quiet.person()
    thread = runs.new_thread(quiet.db, ada)
    quiet.send(thread, ada, "one")
    for after in (False, True):
        socket = quiet.connect()
        with reading_held(quiet, after=after) as gate:
            socket.hello(ada)
            gate.wait()
            delete(quiet, thread, ada)
            gate.open()
            listed = [one["conversation_id"] for one in socket.read_ready()["conversations"]]
        frames = [one for one in socket.so_far() if one["conversation_id"] == thread]
        assert (thread in listed) is after
        assert [one["type"] for one in frames] == (["conversation_deleted"] if after else [])
        assert thread not in quiet.hub._rooms
        thread = runs.new_thread(quiet.db, ada)


def test_a_thread_deleted_while_a_socket_catches_up_is_told_and_ends_nothing_else(
    quiet: Stage,
) -> None:
    ada = quiet.person()
    thread, other = runs.new_thread(quiet.db, ada), runs.new_thread(quiet.db, ada)
    for place in (thread, other):
        quiet.send(place, ada, "one")
    socket = quiet.connect()
    with reading_held(quiet, "log") as gate:
        socket.hello(ada, {thread: 0, other: 0})
        socket.read_ready()
        gate.wait()
        delete(quiet, thread, ada)
        gate.open()
        frames = socket.so_far()
    assert numbers(frames, other) == [1]
    told = [frame for frame in frames if frame["conversation_id"] == thread]
    assert told[-1] == {"type": "conversation_deleted", "conversation_id": thread}


def test_a_thread_deleted_while_nobody_looked_is_lost_to_its_sockets(
    own_stage: Stages, link: Link
) -> None:
    stage = own_stage(listen_url=link.dsn, runs_at_once=0)
    ada = stage.person()
    thread = runs.new_thread(stage.db, ada)
    socket = stage.socket(ada)
    link.cut()
    wait_for(lambda: not stage.hub._attached.is_set(), "the hub to notice")
    delete(stage, thread, ada)
    link.heal()
    wait_until_attached(stage)
    (told,) = [one for one in socket.so_far() if one["conversation_id"] == thread]
    assert (told["type"], told["error"]) == ("error", "not_a_member")


def test_a_thread_begun_again_with_its_key_is_another_one(quiet: Stage) -> None:
    ada = quiet.person()
    socket = quiet.socket(ada)

    def begin() -> str:
        thread: str = quiet.call("create_thread_atomic", actor_id=ada, client_key="lunch")[
            "thread_id"
        ]
        return thread

    thread = begin()
    quiet.send(thread, ada, "one")
    delete(quiet, thread, ada)
    assert begin() == thread
    quiet.send(thread, ada, "two")
    frames = socket.so_far()
    assert contents(frames) == [
        "conversation_created",
        "one",
        "conversation_deleted",
        "conversation_created",
        "two",
    ]
    assert numbers(frames, thread) == [1, 1]


async def test_a_ring_is_kept_for_who_is_looking() -> None:
    watches = Watches(lambda: True)
    with watches.open("A") as watch, watches.open("b") as other:
        watches.ring("a")
        await watch.wait(60)
        waiting = asyncio.create_task(other.wait(60))
        watches.ring("a")
        await asyncio.sleep(0)
        assert not waiting.done()
        watches.ring_all()
        await waiting
        await watch.wait(60)


async def test_who_cannot_be_told_looks_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thin_api.watches.UNTOLD", 0.001)
    watches = Watches(lambda: False)
    with watches.open("a") as watch:
        async with asyncio.timeout(10):
            await watch.wait(60)


async def test_a_watch_that_is_over_is_forgotten() -> None:
    watches = Watches(lambda: True)
    with watches.open("a"), watches.open("a"):
        pass
    watches.ring("a")
    assert not watches._of
