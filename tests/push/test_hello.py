"""The first frames of a WebSocket: who may come in, and where each conversation stands."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.http.support import check_refusal, new_id, token
from tests.push.support import Stage, contents, numbers, subscribers
from tests.support import new_direct, new_group, new_tenant, new_user, wait_for


def test_ready_tells_who_one_is_and_where_each_conversation_stands(stage: Stage) -> None:
    ada, bo = new_user(stage.db), new_user(stage.db)
    group, direct = new_group(stage.db, ada), new_direct(stage.db, bo, ada)
    stage.add(group, ada, bo)
    stage.send(direct, bo, "one")
    stage.send(direct, bo, "two")
    stage.call("mark_read_atomic", conversation_id=direct, actor_id=ada, seq=1)
    stage.call("mark_delivered_atomic", conversation_id=direct, actor_id=ada, seq=2)
    ready = stage.socket(bo).ready
    assert ready.keys() == {"type", "user_id", "desk_id", "conversations"}
    assert ready["user_id"] == bo
    standing = {one["conversation_id"]: one for one in ready["conversations"]}
    assert standing[group] == {
        "conversation_id": group,
        "last_seq": 1,
        "read_seq": 1,
        "delivered_seq": 1,
        "unread_count": 0,
        "joined_seq": 1,
    }
    ready = stage.socket(ada).ready
    standing = {one["conversation_id"]: one for one in ready["conversations"]}
    assert standing[direct] == {
        "conversation_id": direct,
        "last_seq": 2,
        "read_seq": 1,
        "delivered_seq": 2,
        "unread_count": 1,
        "joined_seq": 0,
    }
    assert standing.keys() == {group, direct}


def test_who_has_no_conversations_is_welcome(stage: Stage) -> None:
    nobody = new_user(stage.db)
    assert stage.socket(nobody).ready["conversations"] == []


def test_no_hello_in_time_closes_with_4408(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thin_api.sockets.HELLO_TIMEOUT", 0.05)
    assert stage.connect().end() == ([], 4408)


def test_half_a_hello_does_not_count(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thin_api.sockets.HELLO_TIMEOUT", 0.05)
    socket = stage.connect()
    socket.connection.ping()
    assert socket.end() == ([], 4408)


def test_time_for_hello_does_not_limit_the_socket(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = stage.person()
    monkeypatch.setattr("thin_api.sockets.HELLO_TIMEOUT", 1.0)
    socket = stage.socket(ada)
    with pytest.raises(TimeoutError):
        socket.take(timeout=1.2)
    assert socket.ask({"type": "ping"}) == {"type": "pong"}


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        ({"type": "ping"}, "unauthenticated"),
        ({"type": "read", "conversation_id": new_id(), "seq": 1}, "unauthenticated"),
        ({}, "unauthenticated"),
        ({"type": "hello"}, "unauthenticated"),
        ({"type": "hello", "token": None}, "unauthenticated"),
        ({"type": "hello", "token": 7}, "unauthenticated"),
        ({"type": "hello", "token": ""}, "unauthenticated"),
        ({"type": "hello", "token": "a.b.c"}, "unauthenticated"),
        ({"type": "hello", "token": "é" * 10_000}, "unauthenticated"),
        ({"type": ["hello"], "token": token(new_id())}, "unauthenticated"),
        ({"type": "hello", "token": token(new_id()), "password": "x"}, "validation_error"),
        ([], "validation_error"),
        ("hello", "validation_error"),
        (None, "validation_error"),
        (1, "validation_error"),
    ],
)
def test_first_frame_that_is_no_good_hello_is_told_and_closed(
    stage: Stage, frame: Any, error: str
) -> None:
    socket = stage.connect()
    socket.tell(frame)
    assert socket.refusal() == (error, 4401)


@pytest.mark.parametrize(
    "sent", [b"\x00\x01", b'{"type":"hello"}', "", "{", '{"a":\x00}', "[" * 60_000, "\ufeff{}"]
)
def test_first_frame_that_is_no_json_is_told_and_closed(stage: Stage, sent: str | bytes) -> None:
    socket = stage.connect()
    socket.connection.send(sent)
    assert socket.refusal() == ("validation_error", 4401)


def test_only_a_token_of_ours_that_is_valid_now_opens(stage: Stage) -> None:
    ada = stage.person()
    now = int(time.time())
    for refused in (
        token(ada, exp=now - 60),
        token(ada, exp=None),
        token(ada, nbf=now + 600),
        token(ada, secret="another secret that is long enough for HS256"),
        token("somebody"),
        token(None),
        token(ada)[:-4] + "AAAA",
        token(ada) + " ",
        "Bearer " + token(ada),
    ):
        socket = stage.connect()
        socket.tell({"type": "hello", "token": refused})
        assert socket.refusal() == ("unauthenticated", 4401), refused


def test_service_token_needs_somebody_to_act_for(stage: Stage) -> None:
    ada = stage.person()
    hello = {"type": "hello", "token": token(None, role="service")}
    alone = stage.connect()
    alone.tell(hello)
    assert alone.refusal() == ("unauthenticated", 4401)
    acting = stage.connect(additional_headers={"X-Actor-Id": ada.upper()})
    acting.tell(hello)
    assert acting.read_ready()["user_id"] == ada


def test_user_token_opens_for_nobody_else(stage: Stage) -> None:
    ada, bo = stage.person(), stage.person()
    for wanted, error in ((bo, "permission_denied"), ("bo", "validation_error")):
        socket = stage.connect(additional_headers={"X-Actor-Id": wanted})
        socket.hello(ada)
        assert socket.refusal() == (error, 4401)
    same = stage.connect(additional_headers={"X-Actor-Id": ada})
    same.hello(ada)
    assert same.read_ready()["user_id"] == ada


def test_who_is_deactivated_or_unknown_is_not_let_in(stage: Stage) -> None:
    gone = stage.person()
    stage.call("deactivate_user_atomic", user_id=gone)
    for user_id, error in ((gone, "permission_denied"), (new_id(), "not_found")):
        socket = stage.connect()
        socket.hello(user_id)
        assert socket.refusal() == (error, 4401)


def test_without_a_cursor_only_what_comes_next_is_sent(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.send(group, bo, "before")
    nothing: dict[str, int] = {}
    for cursors in (None, nothing):
        socket = stage.socket(ada, cursors)
        stage.send(group, bo, "after")
        assert contents(socket.so_far()) == ["after"]


def test_null_cursors_are_none(stage: Stage) -> None:
    ada = stage.person()
    socket = stage.connect()
    socket.tell({"type": "hello", "token": token(ada), "cursors": None})
    assert socket.read_ready()


def test_what_is_missing_after_a_cursor_comes_first(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group, other = new_group(stage.db, ada, bo), new_group(stage.db, ada, bo)
    for number in range(1, 6):
        stage.send(group, bo, f"message {number}")
        stage.send(other, bo, f"other {number}")
    socket = stage.socket(ada, {group: 2, other: 5})
    stage.send(group, bo, "live")
    frames = socket.so_far()
    assert contents(frames) == ["message 3", "message 4", "message 5", "live"]
    assert numbers(frames, group) == [3, 4, 5, 6]
    assert frames == stage.changes(group, ada, 2)


def test_cursor_zero_gets_everything_page_by_page(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    for _ in range(3):
        stage.send_many(group, bo, *(f"message {number}" for number in range(83)))
    socket = stage.socket(ada, {group: 0})
    frames = socket.so_far()
    assert numbers(frames, group) == list(range(1, 250))


def test_cursor_of_an_empty_conversation(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    assert stage.socket(ada, {group: 0}).so_far() == []


def test_ids_of_cursors_may_be_upper_case(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.send(group, bo, "one")
    socket = stage.socket(ada.upper(), {group.upper(): 0})
    assert socket.ready["user_id"] == ada
    assert contents(socket.so_far()) == ["one"]


def test_cursor_ahead_of_the_log_is_reset_and_goes_on_from_its_end(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.send(group, bo, "one")
    for ahead in (2, 2**63 - 1):
        socket = stage.socket(ada, {group: ahead})
        last_seq = stage.changes(group, ada)[-1]["seq"]
        stage.send(group, bo, "live")
        reset, live = socket.so_far()
        assert reset == {"type": "reset", "conversation_id": group, "last_seq": last_seq}
        assert live["seq"] == last_seq + 1


def test_cursor_too_far_behind_is_reset(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group, near = new_group(stage.db, ada, bo), new_group(stage.db, ada, bo)
    for number in range(4):
        stage.send(group, bo, f"{number}")
    stage.send(near, bo, "near")
    stage.limit("changes_gap", 3)
    try:
        before = stage.metric('parley_push_resyncs_total{reason="reset"}')
        socket = stage.socket(ada, {group: 0, near: 0})
        frames = socket.so_far()
        assert {"type": "reset", "conversation_id": group, "last_seq": 4} in frames
        assert contents(frames) in (["reset", "near"], ["near", "reset"])
        assert stage.metric('parley_push_resyncs_total{reason="reset"}') == before + 1
        assert contents(stage.socket(ada, {group: 1}).so_far()) == ["1", "2", "3"]
    finally:
        stage.limit("changes_gap", 10_000)


def test_cursor_before_what_was_purged_is_reset(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    for number in range(1, 4):
        stage.send(group, bo, f"{number}")
    stage.call("purge_messages_atomic", conversation_id=group, before="now")
    stage.send(group, bo, "4")
    assert contents(stage.socket(ada, {group: 3}).so_far()) == ["4"]
    assert contents(stage.socket(ada, {group: 2}).so_far()) == ["reset"]


def test_cursors_of_conversations_one_is_not_in_are_refused_one_by_one(stage: Stage) -> None:
    ada, bo, eve = stage.people(3)
    group, foreign = new_group(stage.db, ada, bo), new_group(stage.db, bo, eve)
    left = new_group(stage.db, bo, ada)
    stage.remove(left, ada, ada)
    tenant = new_tenant(stage.db)
    stranger = new_user(stage.db, tenant_id=tenant)
    abroad = new_group(stage.db, stranger)
    unknown = new_id()
    stage.send(group, bo, "one")
    socket = stage.socket(ada, {foreign: 0, group: 0, left: 0, abroad: 3, unknown: 0})
    stage.send(foreign, bo, "secret")
    stage.send(left, bo, "secret")
    stage.send(abroad, stranger, "secret")
    stage.send(group, bo, "two")
    frames = socket.so_far()
    errors = [frame for frame in frames if frame["type"] == "error"]
    assert {frame["conversation_id"] for frame in errors} == {foreign, left, abroad, unknown}
    assert {frame["error"] for frame in errors} == {"not_a_member"}
    assert [c for c in contents(frames) if c != "error"] == ["one", "two"]


BAD_CURSORS: list[Any] = [
    [],
    [1],
    "x",
    "",
    0,
    5,
    False,
    True,
    {"x": 1},
    {"": 1},
    {new_id(): -1},
    {new_id(): 1.5},
    {new_id(): 1.0},
    {new_id(): "1"},
    {new_id(): None},
    {new_id(): True},
    {new_id(): 2**63},
    {new_id(): 2**64},
    {new_id(): 10**30},
    {new_id(): [1]},
    {new_id(): {"seq": 1}},
    {"{" + new_id() + "}": 1},
    {new_id().replace("-", ""): 1},
    {new_id() + "\u0000": 1},
    {new_id() + "\n": 1},
    {new_id(): 1, "x": 1},
]


@pytest.mark.parametrize("cursors", BAD_CURSORS, ids=[repr(one)[:60] for one in BAD_CURSORS])
def test_malformed_cursors_are_refused(stage: Stage, cursors: Any) -> None:
    socket = stage.connect()
    socket.tell({"type": "hello", "token": token(stage.person()), "cursors": cursors})
    told = socket.take()
    assert (told["type"], told.get("error")) == ("error", "validation_error")
    assert told["details"] == {"field": "cursors"}
    assert socket.code() == 4401


def test_thousands_of_cursors_are_no_trouble(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.send(group, bo, "one")
    cursors = {new_id(): 1 for _ in range(1000)}
    frames = stage.socket(ada, {**cursors, group: 0}).so_far()
    assert sum(frame["type"] == "error" for frame in frames) == 1000
    assert contents(frames)[-1] == "one"


# Origins: a browser names the page that connects; everybody else names none.


def test_page_of_our_own_host_may_connect(stage: Stage) -> None:
    host = stage.site.url.removeprefix("http://")
    for origin in (f"http://{host}", f"https://{host}"):
        assert stage.socket(stage.person(), origin=origin).ready


def test_page_of_a_foreign_host_may_not_connect(stage: Stage) -> None:
    host = stage.site.url.removeprefix("http://")
    for origin in (
        "https://evil.test",
        f"http://{host}.evil.test",
        f"http://evil.test/{host}",
        f"http://{host}@evil.test",
        f"http://evil.test#{host}",
        "http://127.0.0.1",
        "null",
        "",
        "*",
        host,
        "http://[",
        "http://\x80",
    ):
        assert refused_status(stage, origin) == 403, origin


def test_pages_that_settings_name_may_connect(own_stage: Callable[..., Stage]) -> None:
    stage = own_stage(cors_origins="https://app.test, https://b.test:8443")
    ada = stage.person()
    for origin in ("https://app.test", "https://b.test:8443", stage.site.url):
        assert stage.socket(ada, origin=origin).ready
    for origin in ("https://evil.test", "http://app.test", "https://app.test:1", "https://b.test"):
        assert refused_status(stage, origin) == 403, origin


def test_any_page_may_connect_when_settings_say_so(own_stage: Callable[..., Stage]) -> None:
    stage = own_stage(cors_origins="*")
    assert stage.socket(stage.person(), origin="https://evil.test").ready


def refused_status(stage: Stage, origin: str) -> int:
    """Try to connect as a page of an origin; the status of the refusal."""
    with pytest.raises(InvalidStatus) as refused:
        stage.connect(additional_headers={"Origin": origin})
    return refused.value.response.status_code


def test_plain_request_for_the_socket_is_answered(stage: Stage) -> None:
    for method in ("GET", "HEAD", "POST"):
        with stage.site.caller() as client:
            response = client.request(method, "/v1/ws")
        assert response.status_code in (400, 404, 405, 426)
        if method != "HEAD":
            body = response.json()
            assert body["success"] is False
            assert body["message"]


def test_sockets_are_at_one_path(stage: Stage) -> None:
    for path in ("/", "/v1/events", "/v1/ws/", "/v1/me"):
        uri = stage.site.url.replace("http://", "ws://") + path
        with pytest.raises(InvalidStatus) as refused, connect(uri, proxy=None):
            pass
        assert refused.value.response.status_code in (403, 404)


def test_too_many_sockets_of_one_user_are_refused(own_stage: Callable[..., Stage]) -> None:
    stage = own_stage(sockets_per_user=2)
    ada, bo = stage.people(2)
    first, _ = stage.socket(ada), stage.stream(ada)
    third = stage.connect()
    third.hello(ada)
    assert third.refusal() == ("rate_limited", 1013)
    refused = stage.open_stream(ada).response
    refused.read()
    check_refusal(refused, 429, "rate_limited")
    assert stage.socket(bo).ready
    first.close()
    wait_for(lambda: len(subscribers(stage, ada)) == 1, "the server to notice")
    assert stage.socket(ada).ready
