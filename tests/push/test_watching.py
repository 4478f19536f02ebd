"""What operators see of push: figures and log lines, and never what people say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.http.support import populated, token
from tests.http.test_app import program
from tests.push.support import Stage, contents, subscribers
from tests.support import Json, new_group, wait_for


def test_open_sockets_are_counted(own_stage: Callable[..., Stage]) -> None:
    stage = own_stage()
    ada, bo = stage.people(2)
    ws, sse = 'parley_sockets{kind="ws"}', 'parley_sockets{kind="sse"}'
    before = stage.metric(ws), stage.metric(sse)
    stage.connect()
    sockets, stream = [stage.socket(ada), stage.socket(bo)], stage.stream(ada)
    assert (stage.metric(ws), stage.metric(sse)) == (before[0] + 2, before[1] + 1)
    sockets[0].close()
    stream.close()
    wait_for(lambda: not subscribers(stage, ada), "the server to notice")
    assert (stage.metric(ws), stage.metric(sse)) == (before[0] + 1, before[1])


def test_events_frames_and_their_time_are_counted(own_stage: Callable[..., Stage]) -> None:
    stage = own_stage()
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    readers = [stage.socket(ada), stage.socket(ada), stage.stream(bo)]
    for reader in readers:
        reader.so_far()
    names = ("parley_push_events_total", "parley_push_frames_total", "parley_push_seconds_count")
    before = [stage.metric(name) for name in names]
    seconds = stage.metric("parley_push_seconds_sum")
    for number in range(10):
        stage.send(group, bo, f"{number}")
    for reader in readers:
        reader.until_seq(group, 10)
    wait_for(
        lambda: (
            [stage.metric(name) - seen for name, seen in zip(names, before, strict=True)]
            == [10, 30, 10]
        ),
        "the figures",
    )
    assert 0 < stage.metric("parley_push_seconds_sum") - seconds < 60


def test_bell_is_counted(own_stage: Callable[..., Stage]) -> None:
    stage = own_stage()
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    socket = stage.socket(ada)
    rung = stage.metric('parley_push_doorbell_total{outcome="rung"}')
    total = stage.metric("parley_push_doorbell_total")
    for number in range(1, 21):
        stage.send(group, bo, f"{number}")
        socket.until_seq(group, number)
    wait_for(lambda: stage.metric("parley_push_doorbell_total") - total >= 20, "all to be counted")
    assert stage.metric('parley_push_doorbell_total{outcome="rung"}') >= rung


def test_losses_are_counted_by_reason(own_stage: Callable[..., Stage]) -> None:
    stage = own_stage()
    lost = 'parley_push_resyncs_total{reason="lost"}'
    before = stage.metric(lost)
    stage.end_listeners()
    wait_for(lambda: stage.metric(lost) == before + 1, "the loss to be counted")


def test_outbox_is_measured(own_stage: Callable[..., Stage]) -> None:
    stage = own_stage(maintain_every=0.05)
    stage.person()
    wait_for(lambda: "parley_outbox_events" in httpx.get(f"{stage.site.url}/metrics").text, "it")


@pytest.mark.parametrize("level", ["info", "debug"])
def test_log_has_ids_and_nothing_that_is_private(
    fresh_database: str, tmp_path: Path, level: str
) -> None:
    log = tmp_path / "log"
    with (
        program(fresh_database, log, PARLEY_LOG=level) as (site, _),
        populated(site) as people,
    ):
        uri = site.url.replace("http://", "ws://") + "/v1/ws"
        options: dict[str, Any] = {"proxy": None, "compression": None}
        secret = token(people.ada, password="my password")
        with connect(uri, **options) as socket:
            socket.send(json.dumps({"type": "hello", "token": secret}))
            assert json.loads(socket.recv(timeout=20))["type"] == "ready"
            sent = people.as_bo.post(people.messages, json={"content": "my diary"}).json()
            assert json.loads(socket.recv(timeout=20))["message"] == sent["message"]
            socket.send(json.dumps({"type": "my type", "x": "my frame"}))
            assert json.loads(socket.recv(timeout=20))["type"] == "error"
            socket.send(b"my bytes \xff", text=True)
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=20)
        with connect(f"{uri}?access_token={secret}", **options) as socket:
            socket.send("my hello")
            assert json.loads(socket.recv(timeout=20))["type"] == "error"
        with (
            pytest.raises(InvalidStatus),
            connect(f"{uri}/x?access_token={secret}", **options),
        ):
            pass
        with httpx.stream("GET", f"{site.url}/v1/events?access_token={secret}") as stream:
            assert b"retry" in next(stream.iter_raw())
    text = log.read_text()
    for private in ("my ", secret[:40], secret[-40:], "access_token"):
        assert private not in text, next(line for line in text.splitlines() if private in line)
    lines: list[Json] = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    event = next(line for line in lines if line["event"] == "event" and line["message_id"])
    assert (
        event.items()
        >= {
            "type": "message_created",
            "message_id": sent["message"]["id"],
            "conversation_id": people.group,
            "seq": 1,
            "sockets": 1,
        }.items()
    )
    assert 0 < event["ms"] < 60_000
    request = next(line for line in lines if line.get("function") == "send_message_atomic")
    assert request["message_id"] == sent["message"]["id"]
    opened = next(line for line in lines if line["event"] == "socket_opened")
    assert opened["user_id"] == people.ada
    assert sum(line["event"] == "socket_closed" for line in lines) == 2
    assert not [line for line in lines if line["event"] == "bug"]


def test_event_lines_come_once_an_event_with_how_many_sockets_it_went_to(
    own_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Json] = []
    monkeypatch.setattr(
        "thin_api.hub.log.info", lambda event, **about: said.append({"event": event, **about})
    )
    stage = own_stage()
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    sockets = [stage.socket(ada), stage.socket(ada)]
    sent = [stage.send(group, bo, f"{number}") for number in range(3)]
    for socket in sockets:
        assert contents(socket.so_far()) == ["0", "1", "2"]
    lines = [one for one in said if one["event"] == "event" and one["conversation_id"] == group]
    told = [(one["message_id"], one["seq"], one["sockets"]) for one in lines if one["seq"]]
    assert told == [(message["id"], message["seq"], 2) for message in sent]
