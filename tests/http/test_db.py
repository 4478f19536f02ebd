"""The database breaks, hangs, restarts, runs into itself: callers hear the truth, we recover."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.conftest import FAST
from tests.http.support import Link, People, Site, check_refusal, populated, serving, settings_for
from tests.support import Connection, at_once, connect, wait_for
from thin_api import embedded
from thin_api.migrate import Migrator

OURS = "application_name = 'parley' and datname = current_database()"


@pytest.fixture
def linked(link: Link, fresh_database: str) -> Iterator[tuple[Link, People]]:
    """Yield a link and people behind it; what is pushed does not pass it."""
    settings = settings_for(link.dsn, listen_url=fresh_database)
    with serving(settings) as site, populated(site) as people:
        yield link, people


def test_database_away_is_503_and_back_is_well(linked: tuple[Link, People]) -> None:
    link, people = linked
    link.cut()
    for response in (
        people.as_ada.get(people.messages),
        people.as_ada.post(people.messages, json={"content": "x"}),
        people.as_ada.get("/ready"),
        people.as_ada.post("/rpc/get_user"),
    ):
        check_refusal(response, 503, "unavailable")
    assert people.as_ada.get("/health").status_code == 200
    link.heal()
    assert people.as_ada.post(people.messages, json={"content": "x"}).status_code == 201
    assert people.as_ada.get("/ready").status_code == 200


def test_restart_is_not_seen_by_the_next_requests(tmp_path: Path) -> None:
    server = embedded._Server(tmp_path, FAST)
    with embedded.running(tmp_path, extra=FAST) as dsn:
        Migrator(dsn, report=lambda _: None).migrate()
        with serving(settings_for(dsn)) as site, populated(site) as people:
            at_once([lambda: people.as_ada.get(people.messages)] * 4)
            server.stop()
            check_refusal(people.as_ada.get(people.messages), 503, "unavailable")
            with server.starting():
                server.start()
            for _ in range(8):
                sent = people.as_ada.post(people.messages, json={"content": "no key"})
                assert sent.status_code == 201


def test_killed_connections_are_not_seen(site: Site, people: People) -> None:
    with connect(site.dsn, None) as connection:
        for _ in range(5):
            gone = connection.execute(
                f"select pg_terminate_backend(pid, 5000) from pg_stat_activity where {OURS}"
            ).fetchall()
            assert gone
            wait_for(lambda: people.as_ada.get("/health").is_success)
            keyed = {"content": "x", "client_message_id": str(len(gone))}
            assert people.as_ada.post(people.messages, json=keyed).status_code in (200, 201)
            assert people.as_ada.get(people.messages).status_code == 200


def test_write_of_unknown_outcome_is_sent_again_only_with_a_key(
    linked: tuple[Link, People],
) -> None:
    link, people = linked
    link.lose_answer(b"without a key")
    response = people.as_ada.post(people.messages, json={"content": "without a key"})
    assert check_refusal(response, 503, "unavailable") == {"outcome": "unknown"}
    link.lose_answer(b"with a key")
    keyed = {"content": "with a key", "client_message_id": "1"}
    repeated = people.as_ada.post(people.messages, json=keyed)
    assert (repeated.status_code, repeated.json()["duplicate"]) == (200, True)
    stored = people.as_ada.get(people.messages).json()["messages"]
    assert [message["content"] for message in stored] == ["without a key", "with a key"]


def test_starts_while_the_database_is_away(link: Link) -> None:
    link.cut()
    with serving(settings_for(link.dsn), ready=False) as site, site.caller() as client:
        check_refusal(client.get("/ready"), 503, "unavailable")
        check_refusal(client.get("/openapi.json"), 503, "unavailable")
        assert client.get("/health").status_code == 200
        link.heal()
        wait_for(lambda: client.get("/ready").is_success, "the server to be ready")
        with populated(site) as people:
            assert people.as_ada.get("/v1/me").status_code == 200


def test_database_not_migrated_is_not_ready(empty_database: Callable[..., str]) -> None:
    dsn = empty_database()
    with serving(settings_for(dsn), ready=False) as site, site.caller() as client:
        check_refusal(client.get("/ready"), 503, "unavailable")
        Migrator(dsn, report=lambda _: None).migrate()
        wait_for(lambda: client.get("/ready").is_success, "the server to be ready")


def test_row_held_too_long_is_503_and_then_free(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thin_api.db.LOCK_TIMEOUT", 0.1)
    with serving(settings_for(fresh_database)) as site, populated(site) as people:
        with held(site, people.group):
            response = people.as_ada.post(people.messages, json={"content": "x"})
            check_refusal(response, 503, "unavailable")
        assert people.as_ada.post(people.messages, json={"content": "x"}).status_code == 201


def test_row_held_briefly_is_waited_for(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thin_api.db.LOCK_TIMEOUT", 0.2)
    monkeypatch.setattr("thin_api.db.LOCK_TRIES", 100)
    with (
        serving(settings_for(fresh_database)) as site,
        populated(site) as people,
        held(site, people.group) as holder,
        ThreadPoolExecutor(1) as thread,
    ):
        before = retries(site)
        sent = thread.submit(people.as_ada.post, people.messages, json={"content": "x"})
        wait_for(lambda: retries(site) != before, "a retry")
        holder.rollback()
        assert sent.result().status_code == 201


def test_statement_that_takes_too_long_is_503(fresh_database: str) -> None:
    settings = settings_for(fresh_database, statement_timeout=0.2)
    with serving(settings) as site, populated(site) as people, held(site, people.group):
        response = people.as_ada.post(people.messages, json={"content": "x"})
        check_refusal(response, 503, "unavailable")


def test_pool_that_stays_empty_is_503(fresh_database: str) -> None:
    settings = settings_for(fresh_database, pool_size=1, pool_wait=0.1)
    with serving(settings) as site, populated(site) as people:
        with held(site, people.group) as holder, ThreadPoolExecutor(1) as thread:
            sent = thread.submit(people.as_ada.post, people.messages, json={"content": "x"})
            wait_for(lambda: blocked_by(holder), "the send to wait for the row")
            check_refusal(people.as_ada.get("/v1/me"), 503, "unavailable")
            holder.rollback()
            assert sent.result().status_code == 201
        assert people.as_ada.get("/v1/me").status_code == 200


def test_deadlock_is_retried(fresh_database: str) -> None:
    with connect(fresh_database, None) as connection:
        connection.execute("""
            create table public.rows (n int primary key, v int);
            insert into public.rows values (1, 0), (2, 0);
            grant all on public.rows to parley_api;
            create function api.cross(p_one int, p_other int) returns jsonb language plpgsql as '
            begin
                update public.rows set v = v + 1 where n = p_one;
                perform pg_sleep(0.05);
                update public.rows set v = v + 1 where n = p_other;
                return ''{"success": true}'';
            end';
            grant execute on function api.cross to parley_api;
        """)
        with serving(settings_for(fresh_database)) as site:
            pairs = [(1, 2), (2, 1)] * 2

            def cross(pair: tuple[int, int]) -> int:
                with site.service() as client:
                    body = {"p_one": pair[0], "p_other": pair[1]}
                    return client.post("/rpc/cross", json=body).status_code

            assert at_once([lambda pair=pair: cross(pair) for pair in pairs]) == [200] * 4  # type: ignore[misc]
            assert 'reason="conflict"' in retries(site)
        total = connection.execute("select sum(v) from public.rows").fetchone()
        assert total == (8,)


def test_role_is_the_one_set(fresh_database: str) -> None:
    with connect(fresh_database, None) as connection:
        connection.execute(
            "create function api.who() returns text language sql as 'select current_user::text'"
        )
        connection.execute("grant execute on function api.who to parley_api")
    with serving(settings_for(fresh_database)) as site, site.service() as client:
        assert client.post("/rpc/who").json() == "parley_api"


@contextlib.contextmanager
def held(site: Site, conversation_id: str) -> Iterator[Connection]:
    """Hold a conversation's row in somebody else's transaction."""
    with connect(site.dsn, None, autocommit=False) as connection:
        connection.execute(
            "select from chat.conversations where conversation_id = %s for update",
            [conversation_id],
        )
        yield connection


def blocked_by(holder: Connection) -> bool:
    """Tell whether somebody waits for what this connection holds."""
    row = holder.execute(
        "select exists (select from pg_stat_activity where %s = any (pg_blocking_pids(pid)))",
        [holder.info.backend_pid],
    ).fetchone()
    return bool(row and row[0])


def retries(site: Site) -> str:
    """Return the metric lines that tell of retries."""
    text = httpx.get(f"{site.url}/metrics").text
    return "\n".join(line for line in text.splitlines() if "retries_total{" in line)
