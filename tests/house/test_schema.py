"""The schema is said twice, in the past tense and in the present: both build the same database."""

from collections.abc import Callable
from itertools import pairwise

import psycopg
import pytest

from tests.schema import dump
from thin_api.migrate import Migrator, folder

SCHEMA = sorted((folder() / "sql" / "schema").glob("*.sql"))


@pytest.fixture
def migrated_without_functions(empty_database: Callable[..., str], server: str) -> str:
    """Return a database with every migration and no code."""
    dsn = empty_database()
    migrator = Migrator(dsn, report=lambda _: None)
    migrator.migrate()
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            """select case p.prokind when 'f' then 'function' end, p.oid::regprocedure::text
                 from pg_proc p where p.pronamespace in ('api'::regnamespace, 'chat'::regnamespace)
                union all
               select 'view', c.oid::regclass::text
                 from pg_class c
                where c.relkind = 'v'
                  and c.relnamespace in ('api'::regnamespace, 'chat'::regnamespace)"""
        ).fetchall()
        for kind, name in rows:
            connection.execute(f"drop {kind} if exists {name} cascade".encode())
    return dsn


def build_present(dsn: str) -> None:
    """Run every file of sql/schema; one that needs another waits for it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        waiting = {path: path.read_bytes() for path in SCHEMA}
        while waiting:
            reasons = []
            for path, text in list(waiting.items()):
                try:
                    with connection.transaction():
                        connection.execute("set local role parley_owner")
                        if path.stem == "schemas":
                            connection.execute("reset role")
                        connection.execute(text)
                    del waiting[path]
                except (
                    psycopg.errors.InvalidSchemaName,
                    psycopg.errors.UndefinedObject,
                    psycopg.errors.UndefinedTable,
                ) as error:
                    reasons.append(f"{path.name}: {error}")
            assert len(reasons) < len(SCHEMA), reasons
            assert not waiting or len(reasons) == len(waiting), reasons


def test_the_schema_files_build_what_the_migrations_build(
    migrated_without_functions: str, empty_database: Callable[..., str]
) -> None:
    present = empty_database()
    build_present(present)
    # Privileges belong to the code (sql/grants.sql), which neither side has here.
    past = dump(migrated_without_functions, "--no-privileges")
    assert dump(present, "--no-privileges") == past


def test_every_table_and_column_says_what_it_holds(shared_database: str) -> None:
    with psycopg.connect(shared_database) as connection:
        rows = connection.execute(
            """select c.oid::regclass::text, a.attname
                 from pg_class c
                 left join pg_attribute a
                   on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                where c.relkind in ('r', 'p')
                  and c.relnamespace = 'chat'::regnamespace
                  and (obj_description(c.oid, 'pg_class') is null
                       or col_description(c.oid, a.attnum) is null)"""
        ).fetchall()
    assert rows == []


def test_migrations_are_numbered_in_the_order_they_depend() -> None:
    names = [path.stem for path in sorted((folder() / "migrations").glob("*.sql"))]
    forward = [name for name in names if not name.endswith(".rollback")]
    assert sorted(names) == sorted([*forward, *(f"{name}.rollback" for name in forward)])
    for before, name in pairwise(forward):
        text = (folder() / "migrations" / f"{name}.sql").read_text()
        assert f"-- depends: {before}\n" in text, name
