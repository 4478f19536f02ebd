"""The queries of sql/ops run as an operator and tell what they say they tell."""

import csv
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from tests.listening import Listener
from tests.schema import run_psql
from tests.support import Racer, connect, new_group, new_user, send

OPS = Path(__file__).parents[2] / "sql" / "ops"
LOCK_CLASS = OPS.parents[1] / "functions" / "chat" / "listener_lock_class.sql"


def ask(dsn: str, name: str) -> list[dict[str, str]]:
    """Run a file as an operator; the rows of its last table."""
    done = run_psql(dsn, "--csv", "-c", "set role parley_operator", "-f", str(OPS / name), cwd=OPS)
    tables = re.split(r"^(?=listener,)", done.stdout, flags=re.MULTILINE)
    return list(csv.DictReader(StringIO(tables[-1])))


@pytest.fixture
def listener(fresh_database: str) -> Iterator[Listener]:
    listener = Listener(fresh_database)
    yield listener
    listener.close()


@pytest.mark.parametrize("path", sorted(OPS.glob("*.sql")), ids=lambda path: path.stem)
def test_an_operator_may_ask_it(fresh_database: str, path: Path) -> None:
    assert path.read_text().startswith("-- ")
    ask(fresh_database, path.name)


def test_a_listeners_lag_and_sleep_are_told(fresh_database: str, listener: Listener) -> None:
    def row() -> dict[str, str]:
        (found,) = ask(fresh_database, "outbox_and_listeners.sql")
        return found

    names = ("listener", "backend_pid", "asleep", "unconfirmed", "older_transactions")
    listener.fall_asleep()
    told = row()
    assert [told[name] for name in names] == [str(listener.id), str(listener.pid), "t", "0", "f"]

    writer = Racer(fresh_database, "writer", "parley_api")
    try:
        with connect(fresh_database) as db:
            ann = new_user(db, "Ann")
            group = new_group(db, ann)
            listener.wake()
            send(writer.begin().connection, group, ann, "in flight")
            told = row()
            assert told["writers_in_flight"] == f"{{{writer.pid}}}"
            assert (told["asleep"], told["unconfirmed"]) == ("f", "1")
            writer.commit()
            told = row()
            assert (told["writers_in_flight"], told["unconfirmed"]) == ("{}", "2")
    finally:
        writer.close()


def test_the_lock_class_is_that_of_the_functions() -> None:
    (number,) = re.findall(r"select (\d+)", LOCK_CLASS.read_text())
    assert f"{number}::oid" in (OPS / "outbox_and_listeners.sql").read_text()
