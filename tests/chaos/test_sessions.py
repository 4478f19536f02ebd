"""A session that was promised is there, whatever is killed right after the promise."""

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from itertools import count
from random import Random

import httpx
import pytest

from tests.chaos.stage import Server, Stage
from tests.http.support import token
from tests.support import Json, connect, new_user, violations, wait_for

Serve = Callable[..., list[Server]]
Kill = Callable[["Play"], None]

SESSIONS = "/api/v1/chatkit/sessions"
ROUNDS = 2
CLIENTS = 6
KILLS = 4
EACH = 10  # sessions a client creates at least


class Play:
    """A server, the PostgreSQL behind it, and somebody who creates sessions."""

    def __init__(self, stage: Stage, dsn: str, server: Server) -> None:
        self.stage = stage
        self.dsn = dsn
        self.server = server
        with connect(dsn) as connection:
            self.user = new_user(connection, "Ada")
        with connect(dsn, None) as login:
            login.execute(
                "update chat.limits set run_lease = '2 seconds', sessions_per_user = 1000000"
            )
        self.bearer = {"Authorization": f"Bearer {token(self.user)}"}

    def ask(self, method: str, path: str, body: Json | None = None, **query: str) -> httpx.Response:
        """Make a request of a client that trusts this server."""
        return httpx.request(
            method,
            self.server.url + path,
            json=body,
            params=query,
            headers=self.bearer,
            timeout=30,
            verify=False,
        )

    def promise(self, path: str, body: Json, then: Kill) -> Json:
        """Create something, and do this the moment the first bytes say 201; what was promised."""
        content = json.dumps(body).encode()
        request = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: {self.bearer['Authorization']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as connection:
            connection.sendall(request.encode() + content)
            received = connection.recv(65536)
            then(self)
            while chunk := connection.recv(65536):
                received += chunk
        assert received.startswith(b"HTTP/1.1 201 "), received
        promised: Json = json.loads(received.partition(b"\r\n\r\n")[2])
        return promised

    def sessions(self) -> list[str]:
        """Return the ids of all sessions, as the server lists them."""
        found: list[str] = []
        page: Json = {"next_before": None}
        while "has_more" not in page or page["has_more"]:
            after = {"before": page["next_before"]} if found else {}
            page = self.ask("GET", SESSIONS, limit="100", **after).json()
            found += [one["id"] for one in page["data"]]
        return found


def server_killed(play: Play) -> None:
    play.server.kill()


def server_stopped(play: Play) -> None:
    play.server.stop()


def database_crashed(play: Play) -> None:
    play.stage.crash()


def all_killed(play: Play) -> None:
    play.server.kill()
    play.stage.crash()


def connections_cut(play: Play) -> None:
    with connect(play.dsn, None) as login:
        login.execute(
            "select pg_terminate_backend(a.pid) from pg_stat_activity a"
            " where a.application_name like 'parley%' and a.datname = current_database()"
        )


def revive(play: Play) -> None:
    """Start again whatever does not run."""
    if not (play.stage.folder / "postgres" / "postmaster.pid").exists():
        play.stage.recover()
    if play.server.has_died():
        play.server.start()
    wait_for(play.server.is_ready, "the server to be ready again")


@pytest.fixture
def play(stage: Stage, dsn: str, serve: Serve) -> Iterator[Play]:
    (server,) = serve("assistant")
    play = Play(stage, dsn, server)
    yield play
    with connect(dsn) as connection:
        assert violations(connection) == []


@pytest.mark.parametrize(
    "kill", [server_killed, server_stopped, database_crashed, all_killed, connections_cut]
)
def test_what_was_promised_outlives_a_kill_right_after_the_promise(play: Play, kill: Kill) -> None:
    promised: list[str] = []
    for _ in range(ROUNDS):
        session = play.promise(SESSIONS, {}, kill)["data"]
        revive(play)
        promised.insert(0, session["id"])
        assert play.sessions() == promised
        assert play.ask("GET", f"{SESSIONS}/{session['id']}").json()["data"] == session

        thread = play.promise(f"{SESSIONS}/{session['id']}/threads", {}, kill)["data"]
        revive(play)
        threads = play.ask("GET", f"{SESSIONS}/{session['id']}/threads").json()["threads"]
        assert [one["id"] for one in threads] == [thread["id"]]

        path = f"{SESSIONS}/{session['id']}/threads/{thread['id']}"
        run = play.promise(f"{path}/runs", {"content": "hello"}, kill)
        revive(play)

        def is_answered(where: str = f"{path}/runs/{run['run_id']}") -> bool:
            status: str = play.ask("GET", where).json()["data"]["status"]
            return status == "completed"

        wait_for(is_answered, "the answer")
        messages = play.ask("GET", f"{path}/messages").json()["messages"]
        assert [one["id"] for one in messages] == [run["message"]["id"], run["run_id"]]


def test_servers_killed_at_random_lose_no_session_and_double_none(play: Play) -> None:
    keys: list[str] = []
    promised: dict[str, str] = {}
    kills = [0]

    def create(number: int) -> None:
        for turn in count():
            if turn >= EACH and kills[0] >= KILLS:
                return
            key = f"{number}-{turn}-{uuid.uuid4()}"
            keys.append(key)
            while key not in promised:
                try:
                    answer = play.ask("POST", SESSIONS, {"client_key": key})
                except httpx.TransportError:
                    wait_for(play.server.is_ready, "the server to be there again")
                    continue
                if answer.status_code in (200, 201):
                    promised[key] = answer.json()["data"]["id"]
                else:
                    assert answer.status_code == 503, answer.text

    clients = [threading.Thread(target=create, args=(number,)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    whims, pause = Random("sessions"), threading.Event()
    while kills[0] < KILLS:
        pause.wait(whims.uniform(0.2, 0.8))
        play.server.kill()
        kills[0] += 1
        play.server.start()
    for client in clients:
        client.join()
    assert promised.keys() == set(keys)
    assert len(set(promised.values())) == len(keys)
    assert sorted(play.sessions()) == sorted(promised.values())
