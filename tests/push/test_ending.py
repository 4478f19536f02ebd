"""How sockets end: tokens expire, people go, clients fall behind, servers stop."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.frames import Close, Frame, Opcode

from tests.http.support import token
from tests.push.support import Reader, Stage, contents, numbers, staged, subscribers
from tests.support import new_group, wait_for
from thin_api import wire
from thin_api.auth import LEEWAY

LONG = "\U0001f600" * 16_000  # 64 KB


def test_token_that_expires_closes_the_socket(stage: Stage) -> None:
    ada = stage.person()
    soon = int(time.time()) - LEEWAY + 2
    sockets = [stage.connect(), stage.connect()]
    sockets[0].hello(ada, exp=soon)
    sockets[1].hello(ada, exp=soon + 3600)
    for socket_ in sockets:
        socket_.read_ready()
    frames, code = sockets[0].end()
    assert code == 4401
    assert frames == []
    assert time.time() >= soon + LEEWAY
    assert sockets[1].so_far() == []


def test_token_of_a_far_future_opens(stage: Stage) -> None:
    ada = stage.person()
    socket_ = stage.connect()
    socket_.hello(ada, exp=253_402_300_799)
    assert socket_.read_ready()


def test_deactivation_closes_every_socket_of_a_user(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    sockets, other = [stage.socket(bo), stage.socket(bo)], stage.socket(ada)
    stream = stage.stream(bo)
    stage.call("deactivate_user_atomic", user_id=bo)
    for socket_ in sockets:
        frames, code = socket_.end()
        assert code == 4401
        assert contents(frames) in ([], ["member_removed"])
    frames = stream.rest()
    assert contents(frames) in (["error"], ["member_removed", "error"])
    assert frames[-1]["error"] == "unauthenticated"
    stage.send(group, ada, "next")
    assert contents(other.so_far()) == ["member_removed", "next"]


def test_erasure_closes_every_socket_of_a_user(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.send(group, bo, "mine")
    gone, other = stage.socket(bo), stage.socket(ada)
    stage.call("erase_user_atomic", user_id=bo)
    assert gone.code() == 4401
    frames = other.so_far()
    assert numbers(frames, group) == list(range(2, len(frames) + 2))
    assert "mine" not in str(frames)


class Deaf:
    """A client of a WebSocket, or of a stream, that does not read what it is sent."""

    def __init__(self, stage: Stage, user_id: str, *, stream: bool = False) -> None:
        host, port = stage.site.url.removeprefix("http://").split(":")
        self.connection = socket.socket()
        self.connection.settimeout(30)
        self.connection.connect((host, int(port)))
        if stream:
            self._say(f"GET /v1/events HTTP/1.1\r\nauthorization: Bearer {token(user_id)}")
        else:
            self._say(
                "GET /v1/ws HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="
            )
            hello = b'{"type":"hello","token":"%s"}' % token(user_id).encode()
            self.connection.sendall(Frame(Opcode.TEXT, hello).serialize(mask=True))
        wait_for(lambda: is_live(stage, user_id), "the socket to open")

    def _say(self, request: str) -> None:
        self.connection.sendall(f"{request}\r\nhost: x\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self.connection.recv(1)

    def read(self, last: bytes | None = None) -> bytes:
        """Read whatever there is until the server has closed, or up to these bytes."""
        received = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while chunk := self.connection.recv(65_536):
                received += chunk
                if last and received.endswith(last):
                    break
        return bytes(received)


@pytest.fixture
def deaf() -> Iterator[Callable[..., Deaf]]:
    """Make clients that do not read; they are hung up in the end."""
    with contextlib.ExitStack() as stack:

        def make(stage: Stage, user_id: str, *, stream: bool = False) -> Deaf:
            client = Deaf(stage, user_id, stream=stream)
            stack.callback(client.connection.close)
            return client

        yield make


def is_live(stage: Stage, user_id: str) -> bool:
    """Tell whether a user's sockets get events at once."""
    found = subscribers(stage, user_id)
    return bool(found) and all(one.held is None for one in found)


def flood(stage: Stage, group: str, sender: str, deaf_one: str) -> None:
    """Send more than any buffer on the way holds, until somebody was let go."""
    for _ in range(12):
        if not is_live(stage, deaf_one):
            return
        stage.send_many(group, sender, *[LONG] * 20)
    wait_for(lambda: not subscribers(stage, deaf_one), "the slow one to be let go")


def test_who_does_not_read_is_closed_and_the_others_are_not_hindered(
    own_stage: Callable[..., Stage],
    deaf: Callable[..., Deaf],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("thin_api.wire.CLOSING_TIMEOUT", 0.2)
    stage = own_stage(socket_backlog=65_536)
    ada, bo, cleo = stage.people(3)
    group = new_group(stage.db, ada, bo, cleo)
    deaf(stage, bo)
    others: list[Reader] = [stage.socket(ada), stage.stream(cleo)]
    for number in range(1, 121):
        stage.send(group, ada, LONG)
        for reader in others:
            assert reader.next()["seq"] == number
    wait_for(lambda: not subscribers(stage, bo), "the deaf one to be forgotten")
    assert stage.metric('parley_sockets{kind="ws"}') == 1


def test_who_reads_too_late_learns_why(
    own_stage: Callable[..., Stage], deaf: Callable[..., Deaf]
) -> None:
    stage = own_stage(socket_backlog=65_536)
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    late = deaf(stage, bo)
    flood(stage, group, ada, bo)
    reason = Close(1013, "too slow: reconnect with cursors").serialize()
    farewell = Frame(Opcode.CLOSE, reason).serialize(mask=False)
    received = late.read(farewell)
    assert received.endswith(farewell)
    assert b'"ready"' in received


def test_stream_nobody_reads_ends_and_is_forgotten(
    own_stage: Callable[..., Stage],
    deaf: Callable[..., Deaf],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("thin_api.sockets.CLOSING_TIMEOUT", 0.2)
    stage = own_stage(socket_backlog=65_536)
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    late = deaf(stage, bo, stream=True)
    flood(stage, group, ada, bo)
    assert late.read()


def test_client_that_vanished_with_its_buffers_full_is_forgotten(
    own_stage: Callable[..., Stage], deaf: Callable[..., Deaf], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = {**wire.SERVER, "ws_ping_interval": 0.2, "ws_ping_timeout": 0.2}
    monkeypatch.setattr(wire, "SERVER", quick)
    stage = own_stage(socket_backlog=100_000_000)
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    deaf(stage, bo)
    flood(stage, group, ada, bo)


def test_shutdown_tells_clients_to_come_back_and_does_not_wait_for_them(
    fresh_database: str,
) -> None:
    with staged(fresh_database) as stage, ThreadPoolExecutor(1) as thread:
        ada, bo = stage.people(2)
        group = new_group(stage.db, ada, bo)
        socket_, stream, silent = stage.socket(ada), stage.stream(ada), stage.connect()
        stage.send(group, bo, "last")
        assert contents(socket_.until_seq(group, 1)) == ["last"]
        assert contents(stream.until_seq(group, 1)) == ["last"]
        began = time.monotonic()
        stopping = thread.submit(stage.stop)
        assert socket_.code() == 1012
        assert silent.code() == 1012
        assert stream.rest() == []
        stopping.result()
        assert time.monotonic() - began < 3


def test_shutdown_does_not_trip_over_a_socket_that_is_just_closing(
    fresh_database: str, deaf: Callable[..., Deaf]
) -> None:
    with staged(fresh_database) as stage, ThreadPoolExecutor(1) as thread:
        ada, bo = stage.people(2)
        deaf(stage, bo)
        other = stage.socket(ada)
        stage.call("deactivate_user_atomic", user_id=bo)
        wait_for(lambda: not subscribers(stage, bo), "the server to close it")
        stopping = thread.submit(stage.stop)
        assert other.code() == 1012
        stopping.result()
