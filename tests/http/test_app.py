"""The whole program: its log lines, its workers, its end, and origins."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.http.support import (
    SECRET,
    Site,
    check_refusal,
    populated,
    raw_exchange,
    serving,
    settings_for,
    token,
)
from tests.http.test_db import blocked_by, held
from tests.support import connect, wait_for

BUG = """
    create or replace function api.announce_typing(
        p_conversation_id uuid,
        p_actor_id        uuid default null
    ) returns jsonb language plpgsql
    as $$ begin raise 'my x' using errcode = 'XX000'; end $$
"""
LINE = {"request_id", "method", "route", "status", "ms", "user_id", "function", "event", "level"}


@contextlib.contextmanager
def program(
    dsn: str, log: Path, **environment: str
) -> Iterator[tuple[Site, "subprocess.Popen[bytes]"]]:
    """Run `parley serve` in a process of its own, its output in a file."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    own = {
        "DATABASE_URL": dsn,
        "PARLEY_JWT_SECRET": SECRET,
        "PARLEY_PORT": port,
        "PARLEY_LOG_FORMAT": "json",
        "PARLEY_POOL_SIZE": "2",
    }
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PARLEY_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "thin_api", "serve"],
            env={**inherited, **own, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    site = Site(f"http://127.0.0.1:{port}", dsn)
    try:
        wait_for(lambda: is_ready(site) or process.poll() is not None, "the program to be ready")
        assert process.poll() is None, log.read_text()
        yield site, process
    finally:
        process.terminate()
        process.wait()


def is_ready(site: Site) -> bool:
    """Ask whether it is ready; it may not listen yet."""
    try:
        return httpx.get(f"{site.url}/ready").is_success
    except httpx.TransportError:
        return False


def test_one_line_a_request_with_nothing_private_in_it(fresh_database: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with program(fresh_database, log) as (site, _), populated(site) as people:
        message = people.as_ada.post(
            people.messages,
            json={"content": "my diary", "metadata": {"a": "my secret"}},
            headers={"X-Request-Id": "told-by-client"},
        ).json()["message"]
        people.as_ada.get(people.messages, params={"limit": "my query"})
        people.as_ada.get("/nowhere/my%0apath", headers={"X-Request-Id": "x y"})
        raw_exchange(
            site.url,
            b'GET /health HTTP/1.1\r\nhost: x\r\nx-request-id: {"forged": 1}\r\n'
            b"connection: close\r\n\r\n",
        )
        with connect(fresh_database, role=None) as owner:
            owner.execute(BUG)
        people.as_ada.post("/rpc/announce_typing", json={"p_conversation_id": people.group})
        httpx.get(f"{site.url}/v1/me", headers={"Authorization": "Bearer my-token"})
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "request"]
    assert all(line.keys() >= LINE for line in requests)
    sent = next(line for line in requests if line["request_id"] == "told-by-client")
    assert sent["method"] == "POST"
    assert sent["route"] == "/v1/conversations/{conversation_id}/messages"
    assert (sent["status"], sent["function"]) == (201, "send_message_atomic")
    assert sent["user_id"] == people.ada
    assert sent["message_id"] == message["id"]
    bug = next(line for line in lines if line["event"] == "bug")
    assert bug["error_id"]
    assert any("thin_api" in frame for frame in bug["trace"])
    assert bug["request_id"] in {line["request_id"] for line in requests if line["status"] == 500}
    text = log.read_text()
    for private in ("my ", "my%", "my-token", "forged", token(people.ada)[:40]):
        assert private not in text, private


def test_request_in_flight_is_finished_before_the_end(fresh_database: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with program(fresh_database, log) as (site, process), populated(site) as people:
        with held(site, people.group) as holder, ThreadPoolExecutor(1) as thread:
            sent = thread.submit(people.as_ada.post, people.messages, json={"content": "last"})
            wait_for(lambda: blocked_by(holder), "the send to wait for the row")
            process.send_signal(signal.SIGTERM)
            wait_for(lambda: not accepts(site), "the listener to close")
            holder.rollback()
            assert sent.result().status_code == 201
        process.wait(20)
    assert '"event":"stopped"' in log.read_text()


def accepts(site: Site) -> bool:
    """Tell whether anybody listens."""
    host, port = site.url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def test_metrics_are_the_sum_of_all_workers(fresh_database: str, tmp_path: Path) -> None:
    with program(fresh_database, tmp_path / "log", PARLEY_WORKERS="2") as (site, _):
        for _ in range(50):
            httpx.get(f"{site.url}/health")
        name = 'parley_http_requests_total{method="GET",route="/health",status="200"}'
        for _ in range(10):
            lines = httpx.get(f"{site.url}/metrics").text.splitlines()
            assert [line.split()[-1] for line in lines if line.startswith(name)] == ["50.0"]
        sizes = [line for line in lines if line.startswith("parley_pool_size")]
        assert [float(line.split()[-1]) for line in sizes] == [4.0]


def test_other_origins_are_let_in_only_when_set(site: Site, fresh_database: str) -> None:
    ask = {"Origin": "https://app.test", "Access-Control-Request-Method": "POST"}
    with site.caller() as client:
        closed = client.options("/v1/conversations", headers=ask)
        assert "access-control-allow-origin" not in closed.headers
    settings = settings_for(fresh_database, cors_origins="https://app.test, https://b.test")
    with serving(settings) as open_site, open_site.caller() as client:
        allowed = client.options("/v1/conversations", headers=ask)
        assert allowed.headers["access-control-allow-origin"] == "https://app.test"
        answered = client.get("/v1/me", headers={"Origin": "https://b.test"})
        check_refusal(answered, 401, "unauthenticated")
        assert answered.headers["access-control-allow-origin"] == "https://b.test"
        assert "x-request-id" in answered.headers["access-control-expose-headers"].lower()
        refused = client.options("/v1/me", headers={**ask, "Origin": "https://evil.test"})
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(
    "request_bytes",
    [b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"],
)
def test_what_is_not_http_harms_nobody(site: Site, request_bytes: bytes) -> None:
    answer = raw_exchange(site.url, request_bytes + b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
    assert not answer or answer.startswith(b"HTTP/1.1 ")
    assert b" 500 " not in answer.partition(b"\r\n")[0]
    assert httpx.get(f"{site.url}/health").status_code == 200


def test_server_keeps_the_database_tidy(fresh_database: str) -> None:
    with connect(fresh_database, role=None) as operator:
        operator.execute(
            "insert into chat.outbox (conversation_id, event, created_at)"
            " values (gen_random_uuid(), '{}', now() - interval '1 day')"
        )
        with serving(settings_for(fresh_database, maintain_every=0.05)):
            wait_for(
                lambda: operator.execute("select count(*) from chat.outbox").fetchone() == (0,),
                "the outbox to be trimmed",
            )
