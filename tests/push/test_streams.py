"""Server-sent events: the same stream for clients that only listen."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.http.support import check_refusal, new_id, token
from tests.push.support import Stage, contents, numbers, subscribers
from tests.support import new_group, wait_for
from thin_api.auth import LEEWAY


def test_stream_begins_like_a_socket_and_says_what_it_is(stage: Stage) -> None:
    ada = stage.person()
    new_group(stage.db, ada)
    stream = stage.open_stream(ada)
    assert stream.response.status_code == 200
    headers = stream.response.headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-request-id"]
    assert stream.read_ready() == stage.socket(ada).ready
    assert stream.retry == "1000"


def test_ids_are_places_in_a_log(stage: Stage) -> None:
    ada, bo = stage.people(2)
    stream = stage.stream(ada)
    group = new_group(stage.db, ada, bo)
    stage.call("block_user_atomic", actor_id=ada, user_id=bo)
    stage.send(group, ada, "one")
    stage.send(group, bo, "hidden")
    stage.call("mark_read_atomic", conversation_id=group, actor_id=bo, seq=1)
    frames = stream.until(lambda frame: frame["type"] == "receipt")
    assert contents(frames) == ["conversation_created", "one", "skip", "receipt"]
    assert stream.ids == [None, None, f"{group}:1", f"{group}:2", None]


def test_last_event_id_resumes(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group, other = new_group(stage.db, ada, bo), new_group(stage.db, ada, bo)
    for number in range(1, 4):
        stage.send(group, bo, f"{number}")
        stage.send(other, bo, f"other {number}")
    for last, cursors, expected in (
        (f"{group}:1", None, ["2", "3"]),
        (f"{group.upper()}:1", None, ["2", "3"]),
        (f"{group}:2", f"{group}:1", ["3"]),
        (f"{group}:1", f"{group}:2", ["3"]),
        (f"{group}:1", f"{other}:2", ["2", "3", "other 3"]),
        (f"{group}:3", None, []),
        ("", f"{group}:2", ["3"]),
    ):
        query = {"cursors": cursors} if cursors else {}
        stream = stage.stream(ada, headers={"Last-Event-ID": last}, **query)
        assert sorted(contents(stream.so_far())) == expected, (last, cursors)


def test_cursors_are_read_in_both_forms(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group, other = new_group(stage.db, ada, bo), new_group(stage.db, ada, bo)
    for number in range(1, 4):
        stage.send(group, bo, f"{number}")
        stage.send(other, bo, f"other {number}")
    for cursors in (
        json.dumps({group: 2, other: 1}),
        f"{group}:2,{other}:1",
        f"{group.upper()}:2,{other}:1,",
        f" {group}:2 , {other}:1 ",
    ):
        frames = stage.stream(ada, cursors=cursors).so_far()
        assert sorted(contents(frames)) == ["3", "other 2", "other 3"], cursors
    assert stage.stream(ada, cursors="").so_far() == []
    assert stage.stream(ada, cursors="{}").so_far() == []
    assert contents(stage.stream(ada, cursors=f"{new_id()}:1").so_far()) == ["error"]
    assert contents(stage.stream(ada, cursors=f"{group}:9").so_far()) == ["reset"]


@pytest.mark.parametrize(
    "cursors",
    [
        "x",
        ":",
        "1",
        "[]",
        "null",
        "{",
        "{]",
        '{"x": 1}',
        f"{new_id()}",
        f"{new_id()}:",
        f"{new_id()}:x",
        f"{new_id()}:-1",
        f"{new_id()}:1.5",
        f"{new_id()}:1:2",
        f"{new_id()}:٣",
        f"{new_id()}:99999999999999999999999",
        f"{new_id()}:9999999999999999999",
        f"{new_id()};1",
        f"{new_id()}:1\x00",
        json.dumps({new_id(): None}),
        json.dumps({new_id(): "1"}),
        json.dumps({new_id(): True}),
    ],
)
def test_malformed_cursors_are_refused_before_the_stream_starts(stage: Stage, cursors: str) -> None:
    ada = stage.person()
    refused = stage.open_stream(ada, cursors=cursors).response
    refused.read()
    assert check_refusal(refused, 400, "validation_error") == {"field": "cursors"}
    if cursors.isascii() and cursors.isprintable():
        refused = stage.open_stream(ada, headers={"Last-Event-ID": cursors}).response
        refused.read()
        check_refusal(refused, 400, "validation_error")


def test_query_that_is_not_known_is_refused(stage: Stage) -> None:
    refused = stage.open_stream(stage.person(), after_seq="1").response
    refused.read()
    assert check_refusal(refused, 400, "validation_error") == {"field": "after_seq"}


def test_token_may_be_in_the_query(stage: Stage) -> None:
    ada = stage.person()
    assert stage.stream(None, access_token=token(ada)).ready["user_id"] == ada
    queries: list[dict[str, Any]] = [
        {},
        {"access_token": ""},
        {"access_token": "x"},
        {"access_token": token(ada, exp=int(time.time()) - 60)},
        {"access_token": token(None, role="service")},
        {"access_token": "é"},
    ]
    for query in queries:
        refused = stage.open_stream(None, **query).response
        refused.read()
        check_refusal(refused, 401, "unauthenticated")
        assert refused.headers["content-type"] == "application/json"


def test_service_may_listen_for_somebody(stage: Stage) -> None:
    ada = stage.person()
    service = {"Authorization": f"Bearer {token(None, role='service')}"}
    assert stage.stream(None, headers={**service, "X-Actor-Id": ada}).ready["user_id"] == ada
    refused = stage.open_stream(None, headers=service).response
    refused.read()
    check_refusal(refused, 401, "unauthenticated")
    forbidden = stage.open_stream(ada, headers={"X-Actor-Id": new_id()}).response
    forbidden.read()
    check_refusal(forbidden, 403, "permission_denied")


def test_who_is_deactivated_or_unknown_gets_an_error_and_the_end(stage: Stage) -> None:
    gone = stage.person()
    stage.call("deactivate_user_atomic", user_id=gone)
    for user_id in (gone, new_id()):
        stream = stage.open_stream(user_id)
        if stream.response.status_code == 200:
            assert {frame["type"] for frame in stream.rest()} == {"error"}
        else:
            assert stream.response.status_code in (401, 403, 404)


def test_other_methods_are_refused(stage: Stage) -> None:
    with stage.site.user(stage.person()) as client:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            response = client.request(method, "/v1/events")
            check_refusal(response, 405, "unsupported")
            assert "GET" in response.headers["allow"]
        assert client.head("/v1/events").status_code in (200, 405)
        assert client.options("/v1/events").status_code == 204


def test_heartbeat_shows_that_the_stream_lives(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thin_api.sse.HEARTBEAT", 0.02)
    ada = stage.person()
    stream = stage.stream(ada)
    assert [stream.next_block() for _ in range(3)] == [":"] * 3
    assert stream.so_far() == []


def test_stream_ends_when_its_token_expires(stage: Stage) -> None:
    ada = stage.person()
    soon = int(time.time()) - LEEWAY + 2
    stream = stage.stream(None, access_token=token(ada, exp=soon))
    frames = stream.rest()
    assert [frame["type"] for frame in frames] == ["error"]
    assert frames[0]["error"] == "unauthenticated"
    assert time.time() >= soon + LEEWAY
    wait_for(lambda: not subscribers(stage, ada), "the server to forget it")


def test_client_that_leaves_is_forgotten(stage: Stage) -> None:
    ada = stage.person()
    polite = stage.stream(ada)
    polite.close()
    wait_for(lambda: not subscribers(stage, ada), "the server to notice")


def test_page_of_another_origin_may_listen_when_settings_say_so(
    own_stage: Callable[..., Stage],
) -> None:
    stage = own_stage(cors_origins="https://app.test")
    ada = stage.person()
    stream = stage.stream(ada, headers={"Origin": "https://app.test"})
    assert stream.response.headers["access-control-allow-origin"] == "https://app.test"
    stream = stage.stream(ada, headers={"Origin": "https://evil.test"})
    assert "access-control-allow-origin" not in stream.response.headers


def test_every_line_is_of_the_format(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.send(group, bo, "one\ntwo\r\nthree\rdata: four\n\nid: 5\u2028\u0085\x0b\x1e")
    url, headers = f"{stage.site.url}/v1/events", {"Authorization": f"Bearer {token(ada)}"}
    received = b""
    with httpx.stream("GET", url, params={"cursors": f"{group}:0"}, headers=headers) as response:
        for chunk in response.iter_raw():
            received += chunk
            if b"message_created" in received and received.endswith(b"\n\n"):
                break
    assert b"\r" not in received
    blocks = received.decode().split("\n\n")
    assert blocks[0] == "retry: 1000"
    assert blocks[-1] == ""
    assert blocks[2].startswith(f"id: {group}:1\ndata: {{")
    frame: dict[str, Any] = json.loads(blocks[2].partition("\ndata: ")[2])
    assert frame == stage.changes(group, ada)[0]


def test_missing_pages_come_before_what_is_new(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    for _ in range(3):
        stage.send_many(group, bo, *(f"{number}" for number in range(70)))
    stream = stage.stream(ada, cursors=f"{group}:5")
    stage.send(group, bo, "new")
    assert numbers(stream.so_far(), group) == list(range(6, 212))
