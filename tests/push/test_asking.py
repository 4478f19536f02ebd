"""What a client may send on an open WebSocket, and how everything else is refused."""

import contextlib
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
import websockets.exceptions

from tests.http.support import new_id
from tests.push.support import Stage, subscribers
from tests.support import new_group, wait_for


def test_marks_move_and_everybody_is_told(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    for number in range(3):
        stage.send(group, ada, f"{number}")
    reading, other, sender = stage.socket(bo), stage.socket(bo), stage.socket(ada)
    reading.tell({"type": "delivered", "conversation_id": group, "seq": 3})
    reading.tell({"type": "read", "conversation_id": group.upper(), "seq": 2})
    for socket in (reading, other, sender):
        receipts = socket.until(lambda frame: frame.get("read_seq") == 2)
        assert [(one["delivered_seq"], one["read_seq"]) for one in receipts] == [(3, 0), (3, 2)]
        assert {one["user_id"] for one in receipts} == {bo}
    standing = {one["conversation_id"]: one for one in stage.socket(bo).ready["conversations"]}
    assert (standing[group]["read_seq"], standing[group]["unread_count"]) == (2, 1)


def test_marks_do_not_move_back(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    for number in range(2):
        stage.send(group, ada, f"{number}")
    stage.call("mark_read_atomic", conversation_id=group, actor_id=bo, seq=2)
    socket = stage.socket(bo)
    socket.tell({"type": "read", "conversation_id": group, "seq": 1})
    assert socket.ask({"type": "ping"}) == {"type": "pong"}
    assert socket.so_far() == []


def test_typing_is_told_to_the_others(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    typing, watching = stage.socket(ada), stage.socket(bo)
    typing.tell({"type": "typing", "conversation_id": group})
    assert watching.next() == {"type": "typing", "conversation_id": group, "user_id": ada}
    assert typing.ask({"type": "ping"}) == {"type": "pong"}


def test_refusals_say_what_they_answer(stage: Stage) -> None:
    ada, bo, eve = stage.people(3)
    group, foreign = new_group(stage.db, ada, bo), new_group(stage.db, bo, eve)
    socket = stage.socket(ada)
    stage.call("block_user_atomic", actor_id=ada, user_id=bo)
    closed = new_group(stage.db, ada)
    stage.call("close_conversation_atomic", conversation_id=closed, actor_id=ada)
    socket.so_far()
    for frame, error in (
        ({"type": "read", "conversation_id": foreign, "seq": 1}, "not_a_member"),
        ({"type": "delivered", "conversation_id": foreign, "seq": 1}, "not_a_member"),
        ({"type": "typing", "conversation_id": foreign}, "not_a_member"),
        ({"type": "typing", "conversation_id": new_id()}, "not_found"),
        ({"type": "typing", "conversation_id": closed}, "conversation_closed"),
        ({"type": "read", "conversation_id": group, "seq": 99}, "validation_error"),
        ({"type": "read", "conversation_id": group, "seq": -1}, "validation_error"),
        ({"type": "delivered", "conversation_id": group, "seq": 2**63 - 1}, "validation_error"),
    ):
        told = socket.ask(frame)
        assert told.keys() <= {"type", "error", "message", "details", "request", "conversation_id"}
        assert (told["type"], told["error"], told["request"], told["conversation_id"]) == (
            "error",
            error,
            frame["type"],
            frame["conversation_id"],
        )
        assert told["message"]


def test_typing_to_who_is_blocked_is_refused(stage: Stage) -> None:
    ada, bo = stage.people(2)
    direct = stage.call("create_conversation_atomic", kind="direct", actor_id=ada, member_ids=[bo])[
        "conversation_id"
    ]
    stage.call("block_user_atomic", actor_id=bo, user_id=ada)
    told = stage.socket(ada).ask({"type": "typing", "conversation_id": direct})
    assert (told["error"], told["request"]) == ("blocked", "typing")


BAD: list[tuple[Any, str | None]] = [
    ({"type": "read"}, "conversation_id"),
    ({"type": "typing"}, "conversation_id"),
    ({"type": "typing", "conversation_id": None}, "conversation_id"),
    ({"type": "typing", "conversation_id": 7}, "conversation_id"),
    ({"type": "typing", "conversation_id": "group"}, "conversation_id"),
    ({"type": "typing", "conversation_id": "\u0000"}, "conversation_id"),
    ({"type": "typing", "conversation_id": new_id() + "\u0000"}, "conversation_id"),
    ({"type": "typing", "conversation_id": [new_id()]}, "conversation_id"),
    ({"type": "typing", "conversation_id": new_id(), "seq": 1}, "seq"),
    ({"type": "typing", "conversation_id": new_id(), "actor_id": new_id()}, "actor_id"),
    ({"type": "read", "conversation_id": new_id(), "seq": "1"}, "seq"),
    ({"type": "read", "conversation_id": new_id(), "seq": 1.5}, "seq"),
    ({"type": "read", "conversation_id": new_id(), "seq": True}, "seq"),
    ({"type": "read", "conversation_id": new_id(), "seq": 2**63}, "seq"),
    ({"type": "read", "conversation_id": new_id(), "seq": 10**30}, "seq"),
    ({"type": "read", "conversation_id": new_id(), "seq": {}}, "seq"),
    ({"type": "read", "conversation_id": new_id(), "p_actor_id": new_id()}, "p_actor_id"),
    ({"type": "hello", "token": "x"}, "type"),
    ({"type": "send", "content": "x"}, "type"),
    ({"type": "message_created"}, "type"),
    ({"type": None}, "type"),
    ({"type": 1}, "type"),
    ({"type": ["ping"]}, "type"),
    ({"type": {"ping": 1}}, "type"),
    ({"type": "PING"}, "type"),
    ({"type": "\u0000"}, "type"),
    ({}, "type"),
    ([], "frame"),
    (None, "frame"),
    ("ping", "frame"),
    (1, "frame"),
]


def test_what_is_not_understood_is_refused_and_harms_nothing(stage: Stage) -> None:
    socket = stage.socket(stage.person())
    for frame, field in BAD:
        told = socket.ask(frame)
        assert (told["type"], told["error"]) == ("error", "validation_error"), frame
        assert told["details"] == {"field": field}, frame
        kind = frame.get("type") if isinstance(frame, dict) else None
        assert told.get("request") == (kind if isinstance(kind, str) else None), frame
    assert socket.ask({"type": "ping"}) == {"type": "pong"}


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b'{"type":"ping"}',
        os.urandom(1000),
        "",
        " ",
        "{",
        '{"type":"ping"',
        '{"type":"ping"}{"type":"ping"}',
        "{'type':'ping'}",
        '{"type":NaN}',
        '{"type":"pi\x00ng"}',
        '{"type":"\\ud800"}',
        "[" * 65_000,
        '{"a":' * 10_000,
    ],
    ids=lambda sent: repr(sent)[:30],
)
def test_what_is_no_json_text_is_refused_and_harms_nothing(stage: Stage, sent: str | bytes) -> None:
    socket = stage.socket(stage.person())
    socket.connection.send(sent)
    told = socket.next()
    assert (told["error"], told["details"]) == ("validation_error", {"field": "frame"})
    assert socket.ask({"type": "ping"}) == {"type": "pong"}


def test_text_that_is_not_utf8_closes_with_1007(stage: Stage) -> None:
    socket = stage.socket(stage.person())
    socket.connection.send(b'{"type":"\xff"}', text=True)
    assert socket.code() == 1007


@pytest.mark.parametrize("parts", [1, 3])
def test_frame_too_large_closes_with_1009(stage: Stage, parts: int) -> None:
    socket = stage.socket(stage.person())
    with contextlib.suppress(websockets.exceptions.ConnectionClosed):
        socket.connection.send(["x" * (66_000 // parts)] * parts if parts > 1 else "x" * 66_000)
    assert socket.code() == 1009


def test_largest_frame_is_read(stage: Stage) -> None:
    socket = stage.socket(stage.person())
    frame = {"type": "ping", "padding": ""}
    frame["padding"] = "x" * (65_536 - len(json.dumps(frame)))
    socket.tell(frame)
    assert socket.next()["type"] in ("pong", "error")


def test_fragments_make_one_frame(stage: Stage) -> None:
    socket = stage.socket(stage.person())
    socket.connection.send(["", '{"ty', 'pe":', "", '"ping"}'])
    assert socket.next() == {"type": "pong"}


def test_every_one_of_thousands_of_frames_is_answered(stage: Stage) -> None:
    socket = stage.socket(stage.person())
    for number in range(3000):
        socket.tell({"type": "ping"} if number % 3 else {"type": f"x{number}"})
    answers = [socket.take() for _ in range(3000)]
    assert [frame["type"] for frame in answers] == ["error", "pong", "pong"] * 1000
    assert [frame["request"] for frame in answers[::3]] == [f"x{n}" for n in range(0, 3000, 3)]


def test_frames_sent_with_hello_are_answered(stage: Stage) -> None:
    ada = stage.person()
    socket = stage.connect()
    socket.hello(ada)
    socket.tell({"type": "ping"})
    assert {socket.take()["type"], socket.take()["type"]} == {"ready", "pong"}


def test_websocket_pings_are_answered(stage: Stage) -> None:
    socket = stage.socket(stage.person())
    assert socket.connection.ping(b"x").wait(10)


def test_who_leaves_is_forgotten(stage: Stage) -> None:
    ada = stage.person()
    polite, rude = stage.socket(ada), stage.socket(ada)
    polite.close()
    rude.connection.socket.close()
    wait_for(lambda: not subscribers(stage, ada), "the server to notice")
    assert ada not in stage.hub._users


def test_database_that_cannot_answer_is_told_and_the_socket_stays(
    own_stage: Callable[..., Stage],
) -> None:
    stage = own_stage(statement_timeout=0.3)
    ada = stage.person()
    group = new_group(stage.db, ada)
    socket = stage.socket(ada)
    with stage.operator.transaction():
        stage.operator.execute(
            "select from chat.members where conversation_id = %s for update", [group]
        )
        told = socket.ask({"type": "read", "conversation_id": group, "seq": 0})
    assert (told["error"], told["request"]) == ("unavailable", "read")
    assert socket.ask({"type": "ping"}) == {"type": "pong"}
