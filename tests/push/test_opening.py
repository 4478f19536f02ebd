"""Races of a socket that opens with what happens meanwhile, told as steps: nothing lost or doubled.

The steps: a socket is put among those that are being read for; its conversations are read; it
joins their rooms; the log is read from its cursors; what was held back is let go.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.push.support import (
    Reader,
    Socket,
    Stage,
    contents,
    hub_blind,
    numbers,
    reading_held,
    subscribers,
)
from tests.support import new_group, wait_for

WHEN = pytest.mark.parametrize("after", [False, True], ids=["before_reading", "after_reading"])


def begin(stage: Stage, user_id: str, cursors: dict[str, int] | None = None) -> Socket:
    """Say hello and read nothing yet."""
    socket = stage.connect()
    socket.hello(user_id, cursors)
    return socket


def told(reader: Reader) -> None:
    """Wait until the hub has handed out all that happened until now."""
    reader.so_far()


@WHEN
def test_events_while_conversations_are_read_come_once(stage: Stage, after: bool) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.send(group, bo, "1")
    watching = stage.socket(bo)
    with reading_held(stage, after=after) as gate:
        socket = begin(stage, ada, {group: 0})
        gate.wait()
        stage.send(group, bo, "2")
        told(watching)
        stage.send(group, bo, "3")
        gate.open()
        stage.send(group, bo, "4")
        socket.read_ready()
        assert contents(socket.so_far()) == ["1", "2", "3", "4"]


@WHEN
def test_without_a_cursor_what_comes_after_ready_comes_once(stage: Stage, after: bool) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    watching = stage.socket(bo)
    with reading_held(stage, after=after) as gate:
        socket = begin(stage, ada)
        gate.wait()
        stage.send(group, bo, "1")
        told(watching)
        gate.open()
        ready = socket.read_ready()
        stage.send(group, bo, "2")
        frames = socket.so_far()
    standing = {one["conversation_id"]: one["last_seq"] for one in ready["conversations"]}
    assert numbers(frames, group) == list(range(standing[group] + 1, 3))


def test_events_that_the_hub_fetches_late_come_once(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    watching = stage.socket(bo)
    with hub_blind() as gate:
        stage.operator.execute("select pg_notify('parley', '')")
        gate.wait()
        stage.send(group, bo, "1")
        socket, fresh = stage.socket(ada, {group: 0}), stage.socket(ada)
        assert contents([socket.next()]) == ["1"]
        stage.send(group, bo, "2")
        gate.open()
        assert contents(socket.so_far()) == ["2"]
        assert contents(fresh.so_far()) == ["2"]
        assert contents(watching.so_far()) == ["1", "2"]


def test_membership_that_the_hub_fetches_late(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group, other = new_group(stage.db, ada, bo), new_group(stage.db, ada)
    with hub_blind() as gate:
        stage.operator.execute("select pg_notify('parley', '')")
        gate.wait()
        stage.remove(group, ada, bo)
        stage.send(group, ada, "secret")
        stage.add(group, ada, bo)
        stage.send(group, ada, "3")
        stage.add(other, ada, bo)
        stage.remove(other, ada, bo)
        socket = stage.socket(bo)
        gate.open()
        stage.send(group, ada, "4")
        stage.send(other, ada, "secret")
        frames = socket.so_far()
    assert [frame for frame in frames if frame["conversation_id"] == other] == []
    assert contents(frames) == ["4"]


@WHEN
def test_added_while_conversations_are_read(stage: Stage, after: bool) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada)
    stage.send(group, ada, "before")
    watching = stage.socket(ada)
    with reading_held(stage, after=after) as gate:
        socket = begin(stage, bo)
        gate.wait()
        stage.add(group, ada, bo)
        stage.send(group, ada, "3")
        told(watching)
        gate.open()
        ready = socket.read_ready()
        stage.send(group, ada, "4")
        frames = socket.so_far()
    known = {one["conversation_id"]: one["last_seq"] for one in ready["conversations"]}
    assert numbers(frames, group) == list(range(known.get(group, 1) + 1, 5))


@WHEN
def test_removed_while_conversations_are_read(stage: Stage, after: bool) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    watching = stage.socket(ada)
    with reading_held(stage, after=after) as gate:
        socket = begin(stage, bo)
        gate.wait()
        stage.send(group, ada, "1")
        stage.remove(group, ada, bo)
        stage.send(group, ada, "secret")
        told(watching)
        gate.open()
        ready = socket.read_ready()
        stage.send(group, ada, "secret")
        frames = socket.so_far()
    if group in {one["conversation_id"] for one in ready["conversations"]}:
        assert contents(frames) == ["1", "member_removed"]
    else:
        assert frames == []


@WHEN
def test_removed_and_added_again_while_conversations_are_read(stage: Stage, after: bool) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.send(group, ada, "1")
    watching = stage.socket(ada)
    with reading_held(stage, after=after) as gate:
        socket = begin(stage, bo)
        gate.wait()
        stage.remove(group, ada, bo)
        stage.send(group, ada, "not theirs")
        told(watching)
        stage.add(group, ada, bo)
        stage.send(group, ada, "5")
        told(watching)
        gate.open()
        ready = socket.read_ready()
        stage.send(group, ada, "6")
        frames = socket.so_far()
    known = {one["conversation_id"]: one["last_seq"] for one in ready["conversations"]}
    if known[group] == 1:
        assert numbers(frames, group) == [2, 4, 5, 6]
    else:
        assert numbers(frames, group) == list(range(known[group] + 1, 7))


@WHEN
def test_conversation_created_while_conversations_are_read(stage: Stage, after: bool) -> None:
    ada, bo = stage.people(2)
    watching = stage.socket(ada)
    with reading_held(stage, after=after) as gate:
        socket = begin(stage, bo)
        gate.wait()
        group = new_group(stage.db, ada, bo)
        stage.send(group, ada, "1")
        told(watching)
        gate.open()
        ready = socket.read_ready()
        stage.send(group, ada, "2")
        frames = socket.so_far()
    known = {one["conversation_id"]: one["last_seq"] for one in ready["conversations"]}
    if group in known:
        assert numbers(frames, group) == list(range(known[group] + 1, 3))
    else:
        assert contents(frames) == ["conversation_created", "1", "2"]


def test_two_sockets_open_at_once_and_each_gets_everything(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.send(group, bo, "1")
    watching = stage.socket(bo)
    with reading_held(stage, after=True) as gate:
        first = begin(stage, ada, {group: 0})
        gate.wait()
        stage.send(group, bo, "2")
        told(watching)
        second = stage.socket(ada, {group: 0})
        stage.send(group, bo, "3")
        assert contents(second.so_far()) == ["1", "2", "3"]
        gate.open()
        first.read_ready()
        assert contents(first.until_seq(group, 3)) == ["1", "2", "3"]
    stage.send(group, bo, "4")
    assert contents(first.so_far()) == ["4"]
    assert contents(second.so_far()) == ["4"]


def test_more_sockets_than_are_read_for_at_once(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.send(group, bo, "1")
    watching = stage.socket(bo)
    with reading_held(stage, times=4) as gate:
        sockets = [begin(stage, ada, {group: 0}) for _ in range(12)]
        gate.wait()
        wait_for(lambda: len(subscribers(stage, ada)) == 12, "all to come in")
        stage.send(group, bo, "2")
        told(watching)
        gate.open()
        for socket in sockets:
            socket.read_ready()
            assert contents(socket.so_far()) == ["1", "2"]


@WHEN
@pytest.mark.parametrize("what", ["conversations", "log"])
def test_who_leaves_while_opening_is_forgotten(stage: Stage, what: str, after: bool) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.send(group, bo, "1")
    with reading_held(stage, what, after=after) as gate:
        socket = begin(stage, ada, {group: 0})
        gate.wait()
        socket.close()
        wait_for(lambda: not subscribers(stage, ada), "the server to notice")
        gate.open()
    stage.send(group, bo, "2")
    assert contents(stage.socket(ada, {group: 0}).so_far()) == ["1", "2"]
    assert not stage.hub._reading


@WHEN
def test_events_while_the_log_is_read_come_after_it(stage: Stage, after: bool) -> None:
    ada, bo = stage.people(2)
    group, other = new_group(stage.db, ada, bo), new_group(stage.db, ada, bo)
    stage.send(group, bo, "1")
    message = stage.send(group, bo, "2")
    watching = stage.socket(bo)
    with reading_held(stage, "log", after=after) as gate:
        socket = begin(stage, ada, {group: 0})
        socket.read_ready()
        gate.wait()
        stage.call(
            "edit_message_atomic",
            conversation_id=group,
            actor_id=bo,
            message_id=message["id"],
            content="2, edited",
        )
        stage.send(other, bo, "other")
        stage.call("announce_typing", conversation_id=group, actor_id=bo)
        told(watching)
        gate.open()
        frames = socket.so_far()
    assert numbers(frames, group) == [1, 2, 3]
    assert contents(frames)[2:] == ["message_edited", "other", "typing"]


@WHEN
def test_removed_while_the_log_is_read(stage: Stage, after: bool) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.send(group, ada, "1")
    watching = stage.socket(ada)
    with reading_held(stage, "log", after=after) as gate:
        socket = begin(stage, bo, {group: 0})
        socket.read_ready()
        gate.wait()
        stage.remove(group, ada, bo)
        stage.send(group, ada, "secret")
        told(watching)
        gate.open()
        if after:
            assert contents(socket.so_far()) == ["1", "member_removed"]
            return
        # Its log can no longer be read: told so, in place or by being sent back to say hello.
        frames, code = socket.end()
    assert code == 1013
    assert contents(frames) == ["error"]
    assert stage.socket(bo, {group: 0}).so_far()[0]["error"] == "not_a_member"


def test_listener_lost_while_opening(own_stage: Callable[..., Stage]) -> None:
    stage = own_stage()
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.send(group, bo, "1")
    with reading_held(stage) as gate:
        socket = begin(stage, ada, {group: 0})
        gate.wait()
        stage.end_listeners()
        frames, code = socket.end()
        assert (frames, code) == ([], 1013)
        gate.open()
    stage.send(group, bo, "2")
    again = stage.connect()
    again.hello(ada, {group: 0})
    again.read_ready()
    assert contents(again.so_far()) == ["1", "2"]


def test_sockets_that_open_in_a_storm_miss_nothing(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(
            lambda: [stage.send(group, bo, f"{number}") for number in range(300)]
        )
        sockets: list[Socket] = []
        while not sending.done() and len(sockets) < 40:
            sockets.append(stage.socket(ada, {group: 0}))
        sending.result()
    assert sockets
    for socket in sockets:
        assert numbers(socket.until_seq(group, 300), group) == list(range(1, 301))
