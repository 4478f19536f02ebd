"""A real PostgREST in front of the same schema answers the same calls alike.

Runs where the program is: `postgrest` on the path, or named by POSTGREST.
"""

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg.conninfo import make_conninfo

from tests.http.support import (
    JSON,
    SECRET,
    People,
    new_id,
    populated,
    serving,
    settings_for,
    token,
)
from tests.support import connect, wait_for

PROGRAM = os.environ.get("POSTGREST") or shutil.which("postgrest")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no postgrest program (POSTGREST)")

Both = tuple[httpx.Client, httpx.Client]


@pytest.fixture(scope="module")
def both(
    template: str, empty_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Both, People]]:
    """Yield a client of PostgREST and one of ours, the same user's, and people."""
    dsn = empty_database(template)
    with connect(dsn, None) as connection:
        connection.execute("drop role if exists parley_test_authenticator")
        connection.execute("create role parley_test_authenticator login noinherit")
        connection.execute("grant parley_user to parley_test_authenticator")
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        port, admin_port = one.getsockname()[1], other.getsockname()[1]
    config = tmp_path_factory.mktemp("postgrest") / "postgrest.conf"
    address = make_conninfo(dsn, user="parley_test_authenticator")
    config.write_text(
        f'db-uri = "{address}"\ndb-schemas = "api"\njwt-secret = "{SECRET}"\n'
        f'server-host = "127.0.0.1"\nserver-port = {port}\n'
        f"admin-server-port = {admin_port}\n"
    )
    with (
        serving(settings_for(dsn)) as site,
        populated(site) as people,
        running(config, f"http://127.0.0.1:{admin_port}"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as theirs,
        site.caller() as ours,
    ):
        for client in (theirs, ours):
            client.headers["Authorization"] = f"Bearer {token(people.ada, role='parley_user')}"
        yield (theirs, ours), people
    with connect(dsn, None) as connection:
        connection.execute("drop role parley_test_authenticator")


@contextlib.contextmanager
def running(config: Path, url: str) -> Iterator[None]:
    """Run PostgREST; `url` is where it says whether it is ready."""
    with config.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen([str(PROGRAM), str(config)], stdout=log, stderr=log)
    try:
        wait_for(lambda: process.poll() is not None or answers(url), "PostgREST to be ready")
        assert process.poll() is None, config.with_suffix(".log").read_text()
        yield
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    """Tell whether it has read the schema."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/ready").status_code == 200
    return False


def check_alike(responses: list[httpx.Response]) -> None:
    """Compare status, code and, of what the functions themselves say, the whole body."""
    theirs, ours = responses
    assert ours.status_code == theirs.status_code, (theirs.text, ours.text)
    if theirs.content and not theirs.is_success:
        assert ours.json()["code"] == theirs.json()["code"], (theirs.text, ours.text)
    if theirs.is_success or "success" in theirs.json():
        assert ours.content == theirs.content
        for header in ("content-type", "content-range"):
            assert ours.headers.get(header) == theirs.headers.get(header), header


def calls(group: str, other: str) -> Iterator[tuple[str, str, Any]]:
    """List calls that change nothing: method, function, arguments."""
    group_only = {"p_conversation_id": group}
    for method in ("GET", "POST"):
        yield method, "get_user", {}
        yield method, "get_user", {"p_actor_id": other}
        yield method, "list_conversations", {"p_limit": "5"}
        yield method, "list_messages", group_only
        yield method, "list_messages", {**group_only, "p_limit": "1000"}
        yield method, "list_messages", {**group_only, "p_limit": "many"}
        yield method, "list_messages", {**group_only, "p_nothing": "1"}
        yield method, "list_messages", {"p_conversation_id": "x"}
        yield method, "list_messages", {"p_conversation_id": new_id()}
        yield method, "list_messages", {}
        yield method, "nothing", {}
        yield method, "check_invariants", {}
    yield "HEAD", "get_user", {}
    yield "POST", "send_message_atomic", group_only
    yield "POST", "send_message_atomic", {**group_only, "p_content": "x" * 16_001}
    yield "POST", "send_message_atomic", {**group_only, "p_content": "a\x00b"}
    yield "POST", "send_message_atomic", {"p_conversation_id": new_id(), "p_content": "x"}
    yield "POST", "edit_message_atomic", {**group_only, "p_message_id": new_id()}
    yield "POST", "create_conversation_atomic", {"p_kind": "odd"}
    yield "POST", "create_conversation_atomic", {"p_kind": "group", "p_member_ids": "{x}"}
    yield "POST", "add_members_atomic", {**group_only, "p_member_ids": [new_id()]}
    yield "POST", "upsert_user_atomic", {"p_display_name": "x"}
    yield "PUT", "get_user", {}
    yield "DELETE", "get_user", {}


def test_calls_that_change_nothing_are_answered_alike(both: tuple[Both, People]) -> None:
    clients, people = both
    for method, function, arguments in calls(people.group, people.bo):
        place = "json" if method in ("POST", "PUT") else "params"
        check_alike(
            [client.request(method, f"/rpc/{function}", **{place: arguments}) for client in clients]
        )


def test_creation_repetition_and_conflict_are_answered_alike(both: tuple[Both, People]) -> None:
    clients, people = both
    bodies = [
        {"p_conversation_id": people.group, "p_content": text, "p_client_message_id": "key"}
        for text in ("one", "one", "two")
    ]
    for client in clients:
        statuses = []
        for body in bodies:
            own = {**body, "p_client_message_id": str(client.base_url)}
            statuses.append(client.post("/rpc/send_message_atomic", json=own).status_code)
        assert statuses == [201, 200, 409]


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "application/vnd.pgrst.object+json"},
        {"Accept": "text/html, application/json;q=0.5"},
        {"Accept": "image/png"},
        {"Content-Profile": "api"},
        {"Content-Profile": "nothing"},
        {"Prefer": "count=exact"},
        {"Authorization": "Bearer x.y.z"},
        {"Authorization": f"Bearer {token(new_id(), exp=1)}"},
    ],
    ids=str,
)
def test_headers_are_answered_alike(both: tuple[Both, People], headers: dict[str, str]) -> None:
    clients, _ = both
    check_alike([client.post("/rpc/get_user", json={}, headers=headers) for client in clients])


@pytest.mark.parametrize("body", [b"{", b'{"p_user_id":NaN}', b""])
def test_odd_bodies_are_answered_alike(both: tuple[Both, People], body: bytes) -> None:
    clients, _ = both
    check_alike([client.post("/rpc/get_user", content=body, headers=JSON) for client in clients])
