"""Frames as bytes, and where they wait for slow clients."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from tests.http.support import new_id
from thin_api import frames, sockets, sse
from thin_api.errors import Failure
from thin_api.frames import Event, Frame
from thin_api.sockets import StreamSink


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000])
def test_frame_on_the_wire_is_what_the_library_would_send(length: int) -> None:
    body = b"x" * length
    server = ServerProtocol(state=State.OPEN)
    server.send_text(body)
    assert Frame(body).wire == b"".join(server.data_to_send())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=300), min_size=1, max_size=5))
def test_frames_written_together_are_read_one_by_one(texts: list[str]) -> None:
    bodies = [json.dumps(text, ensure_ascii=False).encode() for text in texts]
    client = ClientProtocol(parse_uri("ws://x/"), state=State.OPEN)
    client.receive_data(b"".join(Frame(body).wire for body in bodies))
    read = [one for one in client.events_received() if isinstance(one, WebSocketFrame)]
    assert [(one.opcode, one.data) for one in read] == [(Opcode.TEXT, body) for body in bodies]


def test_frame_is_encoded_once() -> None:
    frame = Frame(b"{}", ("a", 1))
    assert frame.wire is frame.wire
    assert frame.sse is frame.sse


def test_frame_as_server_sent_event_has_its_place() -> None:
    assert Frame(b"{}").sse == b"data: {}\n\n"
    assert Frame(b"{}", ("abc", 5)).sse == b"id: abc:5\ndata: {}\n\n"
    group = new_id()
    assert frames.of({"type": "x", "conversation_id": group, "seq": 7}).cursor == (group, 7)
    for without in ({}, {"conversation_id": group}, {"conversation_id": group, "seq": 0}):
        assert frames.of({"type": "x", **without}).cursor is None


def event(seq: int | None, excluded: list[str] | None = None) -> Event:
    """Make an event as the listener would."""
    group = new_id()
    body = json.dumps({"type": "x", "conversation_id": group, "seq": seq}).encode()
    return Event(
        position=1,
        xid=1,
        conversation_id=group,
        desk_id=None,
        kind="x",
        seq=seq,
        body=body,
        excluded=excluded,
        user_ids=None,
        message_id=None,
        age=0.0,
    )


def test_excluded_user_gets_a_skip_for_a_number_and_nothing_without() -> None:
    numbered = event(5, ["eve"])
    assert numbered.frame_for("ada") is numbered.frame
    skip = numbered.frame_for("eve")
    assert skip is not None
    assert json.loads(skip.body) == {
        "type": "skip",
        "conversation_id": numbered.conversation_id,
        "seq": 5,
    }
    assert skip.cursor == (numbered.conversation_id, 5)
    assert numbered.frame_for("eve") is skip
    passing = event(None, ["eve"])
    assert passing.frame_for("eve") is None
    assert passing.frame_for("ada") is passing.frame


def test_failure_as_a_frame_has_no_empty_fields() -> None:
    failure = Failure("not_found", "there is nothing")
    told = json.loads(frames.failed(failure, request="read").body)
    assert told == {
        "type": "error",
        "error": "not_found",
        "message": "there is nothing",
        "request": "read",
    }


def stream_sink(most_behind: int = 1000) -> StreamSink:
    """Make a sink whose connection is never aborted."""
    return StreamSink(most_behind, lambda: None)


async def test_stream_gives_what_was_written_at_once_and_in_order() -> None:
    sink = stream_sink()
    sink.write([Frame(b"1"), Frame(b"2")])
    sink.write([Frame(b"3")])
    assert await sink.next() == b"data: 1\n\ndata: 2\n\ndata: 3\n\n"


async def test_stream_waits_and_then_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT", 0.01)
    sink = stream_sink()
    assert await sink.next() == b":\n\n"
    monkeypatch.setattr(sse, "HEARTBEAT", 20)
    waiting = asyncio.create_task(sink.next())
    await asyncio.sleep(0)
    sink.write([Frame(b"1")])
    assert await waiting == b"data: 1\n\n"


async def test_stream_is_drained_when_all_was_taken_or_it_ended() -> None:
    sink = stream_sink()
    await sink.drained()
    sink.write([Frame(b"1")])
    draining = asyncio.create_task(sink.drained())
    await asyncio.sleep(0)
    assert not draining.done()
    await sink.next()
    await draining
    sink.write([Frame(b"2")])
    draining = asyncio.create_task(sink.drained())
    await asyncio.sleep(0)
    sink.end()
    await draining


async def test_stream_that_ended_takes_nothing_more_and_says_why_it_ended() -> None:
    sink = stream_sink()
    sink.write([Frame(b"1")])
    sink.close(4401, "the token has expired")
    sink.write([Frame(b"2")])
    sink.close(1013, "again")
    last, _, rest = (await sink.next()).decode().partition("\n\n")
    assert last == "data: 1"
    assert json.loads(rest.removeprefix("data: ")) == {
        "type": "error",
        "error": "unauthenticated",
        "message": "the token has expired",
    }


async def test_stream_whose_client_is_still_at_the_last_frames_is_closed_by_the_next() -> None:
    sink = stream_sink(20)
    sink.write([Frame(b"x" * 100)])
    sink.write([Frame(b"y" * 100)])
    assert not sink.closed
    assert (await sink.next()).endswith(b"yyy\n\n")
    sink.is_sending = True
    sink.write([Frame(b"1" * 100)])
    assert not sink.closed
    sink.write([Frame(b"z")])
    assert sink.closed
    last = (await sink.next()).decode()
    assert last.startswith("data: 111")
    assert "unavailable" in last
    assert "data: z" not in last


async def test_stream_nobody_takes_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "CLOSING_TIMEOUT", 0.01)
    cut = asyncio.Event()
    sink = StreamSink(1000, cut.set)
    sink.write([Frame(b"1")])
    sink.close(1013, "too slow")
    await asyncio.wait_for(cut.wait(), 20)
    sink = stream_sink()
    sink.close(1013, "too slow")
    await sink.next()
    sink.ended()
    assert sink._aborting is not None
    assert sink._aborting.cancelled()
