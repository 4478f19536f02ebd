import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt
import psycopg
import pytest

from tests.rpc.assistant.runs import ask, new_thread
from tests.support import (
    Json,
    connect,
    new_channel,
    new_tenant,
    new_user,
    receive,
    send,
    succeed,
    wait_for,
)
from thin_api import embedded
from thin_api.seed import ADA

SECRET = "a secret of at least thirty-two bytes"


@dataclass
class Parley:
    """The command in an environment of its own."""

    environment: dict[str, str]

    def __call__(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "thin_api", *arguments],
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def serving(self, *arguments: str, **more: str) -> Iterator["Serving"]:
        """Serve on a free port until the block ends."""
        with subprocess.Popen(
            [sys.executable, "-m", "thin_api", "serve", *arguments],
            env={**self.environment, "PARLEY_PORT": "0", **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                assert process.stdout
                seen = []
                for line in process.stdout:
                    seen.append(line)
                    if found := re.search(r"Parley serves (\S+)", line):
                        serving = Serving(process, found[1])
                        wait_for(serving.is_ready, "the server to be ready")
                        yield serving
                        break
                else:
                    pytest.fail("".join(seen))
            finally:
                process.kill()


@dataclass
class Serving:
    """A running server."""

    process: "subprocess.Popen[str]"
    base: str

    def get(self, path: str, token: str | None = None) -> tuple[int, bytes]:
        request = urllib.request.Request(self.base + path)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()

    def is_ready(self) -> bool:
        try:
            return self.get("/ready")[0] == 200
        except OSError:
            return False

    def end(self, number: int) -> int:
        assert self.process.stdout
        self.process.send_signal(number)
        self.process.stdout.read()
        return self.process.wait(60)


def environment(**more: str) -> dict[str, str]:
    ours = ("PARLEY_", "DATABASE_URL")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | more


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("command") / "data"


@pytest.fixture(scope="module")
def parley(data: Path) -> Parley:
    """Run on an embedded server of its own, migrated."""
    command = Parley(environment(PARLEY_DATA_DIR=str(data)))
    done = command("migrate")
    assert done.returncode == 0, done.stderr
    return command


@pytest.fixture
def elsewhere(fresh_database: str, tmp_path: Path) -> Parley:
    """Run on a database of somebody else's."""
    return Parley(
        environment(
            DATABASE_URL=fresh_database, PARLEY_JWT_SECRET=SECRET, PARLEY_DATA_DIR=str(tmp_path)
        )
    )


def test_a_responder_that_cannot_answer_stops_the_server_with_one_line(parley: Parley) -> None:
    done = parley("serve", PARLEY_RESPONDER="no_such_bot:answer")
    assert (done.returncode, done.stderr) == (
        2,
        "parley: PARLEY_RESPONDER='no_such_bot:answer' cannot be loaded: "
        "No module named 'no_such_bot'\n",
    )
    assert "no_such_bot" in parley("doctor", PARLEY_RESPONDER="no_such_bot:answer").stdout


def test_an_unknown_setting_stops_every_command_with_status_2(parley: Parley) -> None:
    for command in ("serve", "migrate", "doctor", "dsn", "invariants"):
        done = parley(command, PARLEY_PROT="80")
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "PARLEY_PROT" in done.stderr


def test_an_unknown_command_or_argument_stops_with_status_2(parley: Parley) -> None:
    assert parley("frobnicate").returncode == 2
    assert parley("doctor", "--frobnicate").returncode == 2
    assert parley("token", "--user", "ada").returncode == 2


def test_the_status_and_the_plan_of_a_current_database(parley: Parley) -> None:
    status = parley("migrate", "--status")
    assert status.returncode == 0
    assert "pending" not in status.stdout
    plan = parley("migrate", "--dry-run")
    assert plan.stdout.startswith("would replace the functions")


def test_a_rollback_and_its_repair(elsewhere: Parley) -> None:
    assert parley_ok(elsewhere, "migrate", "rollback").startswith("rolled back")
    assert "pending" in elsewhere("migrate", "--status").stdout
    doctor = elsewhere("doctor")
    assert doctor.returncode == 1
    assert "fix: parley migrate" in doctor.stdout
    assert elsewhere("serve").returncode == 1
    assert elsewhere("migrate").returncode == 0
    assert "ok       migrations" in elsewhere("doctor").stdout


def parley_ok(command: Parley, *arguments: str) -> str:
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_token_says_who_and_until_when(elsewhere: Parley) -> None:
    user = str(uuid.uuid4())
    done = elsewhere("token", "--user", user, "--expires", "60", PARLEY_JWT_ISSUER="us")
    claims = jwt.decode(done.stdout.strip(), SECRET, algorithms=["HS256"], issuer="us")
    assert (claims["sub"], claims["exp"] - claims["iat"]) == (user, 60)
    assert "role" not in claims
    service = elsewhere("token", "--user", user, "--service").stdout.strip()
    assert jwt.decode(service, SECRET, algorithms=["HS256"])["role"] == "service"


def test_a_token_of_a_service_need_not_be_somebodys(elsewhere: Parley) -> None:
    claims = jwt.decode(
        elsewhere("token", "--service").stdout.strip(), SECRET, algorithms=["HS256"]
    )
    assert ("sub" in claims, claims["role"]) == (False, "service")
    nobody = elsewhere("token")
    assert nobody.returncode == 2
    assert "--user ID" in nobody.stderr


def test_a_database_of_ones_own_needs_a_key_for_tokens(elsewhere: Parley) -> None:
    done = elsewhere("serve", PARLEY_JWT_SECRET="")
    assert done.returncode == 2
    assert "PARLEY_JWT_SECRET" in done.stderr


def test_a_healthy_database_has_no_problems(parley: Parley) -> None:
    done = parley("doctor")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("0 problems\n")
    assert parley("invariants").returncode == 0


def test_a_server_that_risks_its_data_is_a_problem(elsewhere: Parley, fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        row = connection.execute("select current_database()").fetchone()
        assert row
        isolation = "set default_transaction_isolation = 'repeatable read'"
        connection.execute(f"alter database {row[0]} {isolation}".encode())
    done = elsewhere("doctor")
    assert done.returncode == 1
    assert "default_transaction_isolation" in done.stdout


def test_broken_data_is_found_with_status_1(elsewhere: Parley, fresh_database: str) -> None:
    assert elsewhere("seed").returncode == 0
    with psycopg.connect(fresh_database) as connection:
        connection.execute("update chat.conversations set last_seq = last_seq + 1")
    done = elsewhere("invariants")
    assert done.returncode == 1
    assert done.stdout
    assert elsewhere("doctor").returncode == 1


def test_answers_that_nobody_sends_are_found(elsewhere: Parley, fresh_database: str) -> None:
    with connect(fresh_database) as service:
        tenant_id = new_tenant(service)
        thread = receive(service, new_channel(service, tenant_id), "hi")["conversation_id"]
        send(service, thread, new_user(service, "Ann", tenant_id=tenant_id), "hello")
    assert "ok       deliveries" in elsewhere("doctor").stdout
    with connect(fresh_database, None) as login:
        login.execute("update chat.deliveries set due_at = now() - interval '1 hour'")
    done = elsewhere("doctor")
    assert done.returncode == 1
    assert "1 messages wait for whatsapp since" in done.stdout


def test_a_change_by_hand_is_found(elsewhere: Parley, fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as connection:
        connection.execute(
            "create or replace function chat.is_uuid(p_text text) returns boolean"
            " language sql immutable as 'select true'"
        )
        connection.execute("grant select on chat.messages to parley_api")
    done = elsewhere("doctor")
    assert done.returncode == 1
    assert "chat.is_uuid" in done.stdout
    assert "revoke all on chat.messages from parley_api" in done.stdout


def test_a_database_that_is_away_is_told_in_one_line(elsewhere: Parley) -> None:
    away = "postgresql://localhost:1/nowhere"
    for command in ("migrate", "invariants", "seed"):
        done = elsewhere(command, DATABASE_URL=away)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert done.stderr.count("\n") == 1
    assert "start the server" in elsewhere("doctor", DATABASE_URL=away).stdout


def test_sowing_twice_adds_nothing(elsewhere: Parley, fresh_database: str) -> None:
    def count() -> object:
        with psycopg.connect(fresh_database) as connection:
            return connection.execute(
                "select (select count(*) from chat.messages), (select count(*) from chat.users),"
                " (select sum(last_seq) from chat.conversations)"
            ).fetchone()

    assert elsewhere("seed").returncode == 0
    before = count()
    assert elsewhere("seed").returncode == 0
    assert count() == before
    assert elsewhere("invariants").returncode == 0


def test_the_dsn_leads_to_a_running_server(parley: Parley, data: Path) -> None:
    done = parley("dsn")
    with psycopg.connect(done.stdout.strip()) as connection:
        assert connection.execute("select from api.error_codes limit 1").fetchone() is not None
    assert parley("psql", "-Atc", "select 40 + 2").stdout == "42\n"
    assert parley("psql", "--", "-Atc", "select 40 + 2").stdout == "42\n"
    assert embedded.status(data) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_demo_data_and_a_signal_ends_it_and_its_server(
    parley: Parley, data: Path, number: int
) -> None:
    with parley.serving("--demo") as server:
        token = parley("token", "--user", str(ADA)).stdout.strip()
        status, body = server.get("/v1/conversations", token)
        assert status == 200
        assert len(json.loads(body)["conversations"]) >= 2
        assert embedded.status(data) is not None
        assert server.end(number) == 0
    assert embedded.status(data) is None


def test_two_servers_share_the_embedded_one(parley: Parley, data: Path) -> None:
    with parley.serving() as first, parley.serving() as second:
        assert first.end(signal.SIGTERM) == 0
        assert second.is_ready()
        assert second.end(signal.SIGTERM) == 0
    assert embedded.status(data) is None


def test_a_responder_that_does_not_let_go_keeps_no_server_from_ending(
    elsewhere: Parley, fresh_database: str
) -> None:
    given = {"PARLEY_RESPONDER": "tests.bots:stubborn", "PARLEY_SHUTDOWN_GRACE": "0.1"}
    with elsewhere.serving(**given) as server, connect(fresh_database) as service:
        ann = new_user(service)
        thread = new_thread(service, ann)
        about = {"conversation_id": thread, "actor_id": ann}
        about["run_id"] = ask(service, thread, ann)["run_id"]

        def run() -> Json:
            return succeed(service, "get_run", **about)["data"]  # type: ignore[no-any-return]

        wait_for(lambda: run()["content"], "the answer to be begun")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert run()["status"] == "queued"  # given back for another to answer


def test_several_workers_serve_on_one_port(elsewhere: Parley) -> None:
    with elsewhere.serving(PARLEY_WORKERS="2") as server:
        assert server.get("/health")[0] == 200
        assert server.end(signal.SIGTERM) == 0


def test_a_taken_port_is_told_before_anything_starts(parley: Parley, data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = parley("serve", PARLEY_PORT=port)
    assert done.returncode == 1
    assert done.stderr == f"parley: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_reset_deletes_the_data_and_only_that(parley: Parley, data: Path) -> None:
    (data / "mine.txt").touch()
    assert parley("reset", "--yes").returncode == 0
    assert (data / "mine.txt").exists()
    assert not (data / "postgres").exists()
    assert "pending" in parley("migrate", "--status").stdout


def test_reset_does_not_touch_a_database_of_ones_own(elsewhere: Parley) -> None:
    done = elsewhere("reset", "--yes")
    assert done.returncode == 1
    assert "uninstall" in done.stderr
