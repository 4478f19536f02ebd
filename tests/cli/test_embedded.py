import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.support import at_once, wait_for
from thin_api import embedded
from thin_api.embedded import EmbeddedError

FAST = {"fsync": "off"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded")
    with embedded.running(folder, extra=FAST) as dsn, psycopg.connect(dsn) as connection:
        connection.execute("create table kept (number int)")
        connection.execute("insert into kept values (1)")
    return folder


def kept(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select number from kept").fetchone()
    assert row
    return int(row[0])


def postmaster(folder: Path) -> psutil.Process:
    pid = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
    return psutil.Process(pid)


def test_the_server_stops_when_its_last_user_leaves_and_its_data_stays(data: Path) -> None:
    with embedded.running(data) as dsn:
        assert kept(dsn) == 1
        assert embedded.status(data) == dsn
    assert embedded.status(data) is None


def test_a_second_user_finds_the_server_and_keeps_it_when_the_first_leaves(data: Path) -> None:
    with embedded.running(data) as second:
        with embedded.running(data) as first:
            assert first == second
        assert kept(second) == 1
    assert embedded.status(data) is None


def test_another_process_counts_as_a_user(data: Path) -> None:
    code = """if True:
        import pathlib, sys
        from thin_api import embedded
        with embedded.running(pathlib.Path(sys.argv[1])) as dsn:
            print(dsn, flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", code, str(data)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin
        assert other.stdout
        dsn = other.stdout.readline().strip()
        with embedded.running(data):
            pass
        assert kept(dsn) == 1
        other.stdin.close()
        assert other.wait(30) == 0
    assert embedded.status(data) is None


def test_somebody_connected_counts_as_a_user(data: Path) -> None:
    with embedded.running(data) as dsn:
        connection = psycopg.connect(dsn)
    connection.execute("select 1")
    connection.close()
    with embedded.running(data):
        wait_for(lambda: alone(dsn), "the connection to be gone")
    assert embedded.status(data) is None


def alone(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where backend_type = 'client backend'"
        ).fetchone()
    return row == (1,)


def test_many_may_start_it_at_once(data: Path) -> None:
    def use() -> int:
        with embedded.running(data) as dsn:
            return kept(dsn)

    assert at_once([use] * 4) == [1] * 4
    assert embedded.status(data) is None


def test_a_killed_server_recovers(data: Path) -> None:
    with embedded.running(data):
        process = postmaster(data)
        process.send_signal(signal.SIGKILL)
        wait_for(lambda: embedded.status(data) is None, "the server to be dead")
    with embedded.running(data) as dsn:
        assert kept(dsn) == 1


@pytest.fixture
def stale(data: Path) -> Path:
    file = data / "postgres" / "postmaster.pid"
    lines = [str(os.getpid()), str(file.parent), "1763715000", "5432", str(file.parent), "", "1 2"]
    file.write_text("\n".join([*lines, "ready", ""]))
    return file


def test_a_stale_pid_that_somebody_else_has_by_now_is_no_server(data: Path, stale: Path) -> None:
    assert embedded.status(data) is None
    with embedded.running(data) as dsn:
        assert kept(dsn) == 1
        assert int(stale.read_text().split()[0]) != os.getpid()


def test_a_long_path_with_spaces_works_and_both_start_and_status_find_it(tmp_path: Path) -> None:
    data = tmp_path / ("a long name " * 12) / "data"
    with embedded.running(data, extra=FAST) as dsn:
        assert embedded.status(data) == dsn
        with psycopg.connect(dsn) as connection:
            assert connection.execute("select 1").fetchone() == (1,)


def test_what_an_interrupted_creation_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "half").touch()
    with embedded.running(tmp_path, extra=FAST) as dsn, psycopg.connect(dsn) as connection:
        row = connection.execute(
            "select datlocprovider, pg_encoding_to_char(encoding) from pg_database"
            " where datname = current_database()"
        ).fetchone()
    assert row == ("b", "UTF8")
    assert not (tmp_path / "postgres.new").exists()


def test_data_of_another_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedError, match=r"PostgreSQL 16.*pg_dump"), embedded.running(tmp_path):
        pass


def test_nobody_else_can_read_the_data_and_no_folder_above_is_opened(tmp_path: Path) -> None:
    outer = tmp_path / "private"
    outer.mkdir(mode=0o700)
    with embedded.running(outer / "data", extra=FAST) as dsn:
        assert psycopg.connect(dsn).close() is None  # type: ignore[func-returns-value]
    assert (outer / "data" / "postgres").stat().st_mode & 0o077 == 0
    assert outer.stat().st_mode & 0o007 == 0


def test_removing_is_refused_while_somebody_uses_it_and_then_leaves_nothing(tmp_path: Path) -> None:
    with embedded.running(tmp_path, extra=FAST), pytest.raises(EmbeddedError, match="in use"):
        embedded.remove(tmp_path)
    embedded.remove(tmp_path)
    assert not (tmp_path / "postgres").exists()
