import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.schema import dump, run_psql
from tests.support import (
    at_once,
    connect,
    new_channel,
    new_tenant,
    new_user,
    receive,
    send,
    succeed,
)
from thin_api import embedded
from thin_api.migrate import MigrateError, Migrator, Status, folder

NEXT = "9001.next"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Copy what is migrated, for a test to change."""
    for name in ("sql", "migrations", "functions"):
        shutil.copytree(folder() / name, tmp_path / "project" / name)
    return tmp_path / "project"


@pytest.fixture
def dsn(empty_database: Callable[..., str]) -> str:
    return empty_database()


@pytest.fixture
def migrated(template: str, empty_database: Callable[..., str]) -> str:
    return empty_database(template)


@dataclasses.dataclass
class Reports:
    lines: list[str] = dataclasses.field(default_factory=list)

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    def __contains__(self, text: str) -> bool:
        return any(text in line for line in self.lines)


def migrator(dsn: str, root: Path | None = None, **options: float) -> Migrator:
    return Migrator(dsn, root=root, report=lambda _: None, **options)  # type: ignore[arg-type]


def add_migration(root: Path, text: str, undo: str = "select 1;") -> None:
    owner = "" if "transactional" in text else "set local role parley_owner;\n"
    (root / "migrations" / f"{NEXT}.sql").write_text(owner + text)
    (root / "migrations" / f"{NEXT}.rollback.sql").write_text(owner + undo)


def query(dsn: str, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(text.encode()).fetchall()


def current(status: Status) -> bool:
    return status.current and not status.unknown


def test_an_empty_database_becomes_current(dsn: str) -> None:
    before = migrator(dsn).status()
    assert before.applied == []
    assert before.pending
    migrator(dsn).migrate()
    after = migrator(dsn).status()
    assert current(after)
    assert after.applied == before.pending


def test_migrating_again_changes_nothing(migrated: str) -> None:
    before = dump(migrated)
    migrator(migrated).migrate()
    assert dump(migrated) == before


def test_a_dry_run_tells_and_does_nothing(dsn: str) -> None:
    before = dump(dsn)
    plan = migrator(dsn).plan()
    assert plan[0].startswith("would apply 0001")
    assert plan[-1].startswith("would replace the functions")
    assert dump(dsn) == before


def test_each_migration_can_be_undone_and_done_again(migrated: str) -> None:
    before = dump(migrated)
    names = migrator(migrated).status().applied
    for count in range(1, len(names) + 1):
        migrator(migrated).rollback(steps=count)
        assert migrator(migrated).status().pending == names[-count:]
        migrator(migrated).migrate()
        assert dump(migrated) == before


def test_undoing_everything_leaves_nothing(migrated: str) -> None:
    migrator(migrated).rollback(steps=99)
    assert query(migrated, "select from pg_namespace where nspname in ('api', 'chat')") == []


def test_rolling_back_to_a_migration_keeps_it(migrated: str) -> None:
    first, *others = migrator(migrated).status().applied
    migrator(migrated).rollback(to=first)
    assert migrator(migrated).status().applied == [first]
    assert migrator(migrated).status().pending == others
    with pytest.raises(MigrateError, match="not an applied migration"):
        migrator(migrated).rollback(to=others[0])


def test_whom_people_talked_to_before_there_were_bots_is_theirs(migrated: str) -> None:
    with connect(migrated) as db:
        tenant = new_tenant(db)
        channel = new_channel(db, tenant)
        ann = new_user(db, "Ann", tenant_id=tenant)
        _untouched, answered, assigned, closed, reopened = (
            receive(db, channel, contact=f"+49170555000{number}")["conversation_id"]
            for number in range(5)
        )
        for thread in (answered, closed, reopened):
            send(db, thread, ann, "hello")
        about = {"conversation_id": assigned, "actor_id": ann}
        succeed(db, "assign_thread_atomic", **about, assignee_id=ann)
        for thread in (closed, reopened):
            succeed(db, "close_conversation_atomic", conversation_id=thread, actor_id=ann)
        receive(db, channel, contact="+491705550004")
    migrator(migrated).rollback(to="0004.inbox")
    migrator(migrated).migrate()
    taken = query(
        migrated, "select conversation_id::text from chat.threads where taken_over_at is not null"
    )
    assert {thread for (thread,) in taken} == {answered, assigned}
    assert query(migrated, "select * from api.check_invariants()") == []


def test_an_edited_applied_file_is_refused_in_one_line(migrated: str, root: Path) -> None:
    name = migrator(migrated).status().applied[0]
    with (root / "migrations" / f"{name}.sql").open("a") as file:
        file.write("create table chat.afterthought ();\n")
    assert migrator(migrated, root).status().edited == [name]
    for refused in (migrator(migrated, root).migrate, migrator(migrated, root).plan):
        with pytest.raises(MigrateError, match=f"{name}: edited after it was applied") as raised:
            refused()
        assert "\n" not in str(raised.value)
    done = run_psql(migrated, "-f", "sql/migrate.sql", cwd=root, check=False)
    assert done.returncode != 0
    assert f"{name} was edited" in done.stderr


def test_other_line_ends_are_no_edit(migrated: str, root: Path) -> None:
    for file in (root / "migrations").iterdir():
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert current(migrator(migrated, root).status())


def test_a_migration_of_a_newer_version_is_left_alone_and_told(migrated: str, root: Path) -> None:
    add_migration(root, "create table chat.newer ();", "drop table chat.newer;")
    migrator(migrated, root).migrate()
    assert migrator(migrated).status().unknown == [NEXT]
    migrator(migrated).migrate()
    assert query(migrated, "select from chat.newer") == []
    with pytest.raises(MigrateError, match="no rollback file"):
        migrator(migrated).rollback()


def test_a_change_of_functions_alone_ships(migrated: str, root: Path) -> None:
    file = root / "functions" / "api" / "people" / "get_user.sql"
    file.write_text(file.read_text().replace("begin", "begin\n    -- changed", 1))
    assert migrator(migrated, root).status().drifted == ["api.get_user"]
    migrator(migrated, root).migrate()
    assert current(migrator(migrated, root).status())
    assert migrator(migrated).status().drifted == ["api.get_user"]


def test_a_mistake_in_a_function_names_the_file_and_changes_nothing(
    migrated: str, root: Path
) -> None:
    before = dump(migrated)
    file = root / "functions" / "api" / "people" / "get_user.sql"
    file.write_text(file.read_text().replace("language plpgsql", "language nonsense", 1))
    with pytest.raises(MigrateError, match=r"functions/api/people/get_user\.sql: .*nonsense"):
        migrator(migrated, root).migrate()
    assert dump(migrated) == before


def test_a_failing_migration_names_the_file_and_leaves_nothing(migrated: str, root: Path) -> None:
    before = dump(migrated)
    add_migration(root, "create table chat.half (); select 1 / 0;")
    with pytest.raises(MigrateError, match=f"{NEXT}: division by zero"):
        migrator(migrated, root).migrate()
    assert dump(migrated) == before
    assert NEXT in migrator(migrated, root).status().pending


def test_two_at_once_apply_each_migration_once(dsn: str) -> None:
    reports = Reports()
    at_once([Migrator(dsn, report=reports).migrate] * 2)
    assert current(migrator(dsn).status())
    applied = [line for line in reports.lines if line.startswith("applied")]
    assert sorted(applied) == [f"applied {name}" for name in migrator(dsn).status().applied]


def test_two_databases_of_a_cluster_may_be_installed_at_once(
    empty_database: Callable[..., str],
) -> None:
    places = [empty_database(), empty_database()]
    at_once([migrator(place).migrate for place in places])
    assert all(current(migrator(place).status()) for place in places)


def test_a_busy_table_is_tried_again_until_it_is_free(migrated: str, root: Path) -> None:
    add_migration(root, "alter table chat.users add extra int;")
    with psycopg.connect(migrated) as holder:
        holder.execute("lock table chat.users in access share mode")
        tries: list[str] = []

        def report(line: str) -> None:
            if "busy" in line:
                tries.append(line)
            if len(tries) == 2:
                holder.rollback()

        Migrator(migrated, root=root, report=report, lock_timeout=0.05).migrate()
    assert len(tries) == 2
    assert current(migrator(migrated, root).status())


def test_a_table_that_stays_busy_is_given_up_in_one_line(migrated: str, root: Path) -> None:
    add_migration(root, "alter table chat.users add extra int;")
    with psycopg.connect(migrated) as holder:
        holder.execute("lock table chat.users in access share mode")
        with pytest.raises(MigrateError, match=f"{NEXT}: .*lock timeout.*2 attempts") as raised:
            migrator(migrated, root, lock_timeout=0.05, attempts=2).migrate()
    assert "\n" not in str(raised.value)


def test_a_migration_may_do_without_a_transaction(migrated: str, root: Path) -> None:
    add_migration(
        root,
        "-- transactional: false\n"
        "create index concurrently users_extra_idx on chat.users (display_name);\n",
        "drop index chat.users_extra_idx;",
    )
    before = dump(migrated)
    migrator(migrated, root).migrate()
    assert dump(migrated) != before
    migrator(migrated, root).rollback()
    run_psql(migrated, "-f", "sql/migrate.sql", cwd=root)
    assert current(migrator(migrated, root).status())


def test_psql_alone_builds_the_same_database(dsn: str, migrated: str) -> None:
    run_psql(dsn, "-f", "sql/migrate.sql", cwd=folder())
    assert dump(dsn) == dump(migrated)
    assert current(migrator(dsn).status())


def test_psql_and_python_take_turns(dsn: str, root: Path) -> None:
    run_psql(dsn, "-f", "sql/migrate.sql", cwd=root)
    add_migration(root, "create table chat.one ();", "drop table chat.one;")
    migrator(dsn, root).migrate()
    migrator(dsn, root).rollback()
    done = run_psql(dsn, "-f", "sql/migrate.sql", cwd=root)
    assert f"applied {NEXT}" in done.stdout
    assert current(migrator(dsn, root).status())
    migrator(dsn, root).migrate()


def test_psql_waits_for_nobody_in_the_wrong_folder(dsn: str, tmp_path: Path) -> None:
    done = run_psql(dsn, "-f", str(folder() / "sql" / "migrate.sql"), cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert "run this from the folder" in done.stderr
    assert migrator(dsn).status().applied == []


def test_uninstalling_leaves_nothing_behind(migrated: str) -> None:
    run_psql(migrated, "-f", "sql/uninstall.sql", cwd=folder())
    left = query(
        migrated,
        "select nspname from pg_namespace where nspname !~ '^pg_' and nspname not in"
        " ('public', 'information_schema')",
    )
    assert left == []


def test_an_owner_who_is_no_superuser_migrates_and_needs_createrole_once(tmp_path: Path) -> None:
    with embedded.running(tmp_path, extra={"fsync": "off"}) as admin:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute("create role dba login createrole")
            connection.execute("create role stranger login")
            connection.execute("create database theirs owner dba")
            connection.execute("grant create on database theirs to stranger")
        dsn = admin.replace("postgres@", "dba@").replace("/parley?", "/theirs?")
        stranger = dsn.replace("dba@", "stranger@")
        with pytest.raises(MigrateError, match=r"administrator .*grant parley_owner to stranger"):
            migrator(stranger).migrate()
        migrator(dsn).migrate()
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute("alter role dba nocreaterole")
        reports = Reports()
        Migrator(dsn, report=reports).migrate()
        assert current(migrator(dsn).status())
        run_psql(dsn, "-f", "sql/migrate.sql", cwd=folder())
        with pytest.raises(MigrateError, match="administrator"):
            migrator(stranger).migrate()


def test_the_functions_install_with_plain_psql_in_one_transaction(migrated: str) -> None:
    before = dump(migrated)
    run_psql(migrated, "-1", "-f", "functions/install.sql", cwd=folder())
    assert dump(migrated) == before
