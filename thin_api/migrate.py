"""Bring a database up to date: roles, pending migrations, then the functions, whole."""

import contextlib
import hashlib
import platform
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri
from yoyo.migrations import Migration, topological_sort

# The same number in sql/migrate.sql: whoever migrates, migrates alone.
ADVISORY_LOCK = 7205759403792
LOCK_TIMEOUT = 3.0  # seconds a statement may queue, and everybody else behind it
ATTEMPTS = 8
LONGEST_PAUSE = 10.0
TURN_TIMEOUT = 900.0  # seconds to wait for another migration to finish

SHOWN = 10  # names in one line

BUSY = (errors.LockNotAvailable, errors.DeadlockDetected)
# Two databases of one cluster may be installed at once, and roles belong to the cluster.
ROLE_RACES = (errors.UniqueViolation, errors.DuplicateObject, errors.InternalError_)

Connection = psycopg.Connection[tuple[Any, ...]]
Result = TypeVar("Result")


class MigrateError(RuntimeError):
    """The database cannot be brought up to date; the message says why and what to do."""


@dataclass(frozen=True)
class Status:
    """What the files say against what the database has."""

    applied: list[str]
    pending: list[str]
    edited: list[str]
    unknown: list[str]
    drifted: list[str]

    @property
    def current(self) -> bool:
        """Tell whether there is nothing to do."""
        return not (self.pending or self.edited or self.drifted)


def folder() -> Path:
    """Return where sql/, migrations/ and functions/ are: in the wheel, else in the work tree."""
    packaged = Path(__file__).parent / "database"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent


def checksum(path: Path) -> str:
    """Return what an applied file is recognised by; sql/migrate.sql computes the same."""
    text = path.read_bytes().decode().replace("\r\n", "\n").rstrip(" \t\r\n")
    return hashlib.sha256(text.encode()).hexdigest()


class Migrator:
    """The files of one folder against one database."""

    def __init__(
        self,
        dsn: str,
        *,
        root: Path | None = None,
        report: Callable[[str], None] = print,
        lock_timeout: float = LOCK_TIMEOUT,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.dsn = dsn
        self.root = (root or folder()).resolve()
        self.report = report
        self.lock_timeout = lock_timeout
        self.attempts = attempts

    def migrate(self) -> None:
        """Apply what is pending and replace the functions."""
        with self._alone() as connection:
            self._ensure_roles(connection)
            self._retry("bookkeeping", partial(self._run_file, connection, "sql/bookkeeping.sql"))
            status = self._status(connection)
            self._refuse_edited(status)
            backend = _Backend(connection)
            for migration in self._migrations():
                if migration.id in status.pending:
                    self._retry(migration.id, partial(backend.apply_one, migration))
                    self.report(f"applied {migration.id}")
            if not status.pending:
                self.report(f"no migration pending ({len(status.applied)} applied)")
            self._retry("functions", partial(self._install_functions, connection))

    def rollback(self, *, steps: int = 1, to: str | None = None) -> None:
        """Undo the last migrations, or all after `to`."""
        with self._alone() as connection:
            applied = self._status(connection).applied
            if to is not None:
                if to not in applied:
                    raise MigrateError(
                        f"{to} is not an applied migration; see parley migrate --status"
                    )
                steps = len(applied) - applied.index(to) - 1
            undo = list(reversed(applied))[:steps]
            files = {migration.id: migration for migration in self._migrations()}
            backend = _Backend(connection)
            for name in undo:
                if name not in files or not self._file(name, ".rollback.sql").exists():
                    raise MigrateError(f"{name} has no rollback file in {self.root / 'migrations'}")
                self._retry(name, partial(backend.rollback_one, files[name]))
                self.report(f"rolled back {name}")
            if not undo:
                self.report("nothing to roll back")

    def status(self) -> Status:
        """Compare, and change nothing."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return self._status(connection)

    def plan(self) -> list[str]:
        """Tell what migrate() would do, one line each, and change nothing."""
        status = self.status()
        self._refuse_edited(status)
        steps = [f"would apply {name}" for name in status.pending]
        install = self.root / "functions" / "install.sql"
        names = len({path for path, _ in expand(install)} - {install})
        changed = ", ".join(status.drifted[:SHOWN])
        if len(status.drifted) > SHOWN:
            changed += f" and {len(status.drifted) - SHOWN} more"
        return [
            *steps,
            f"would replace the functions ({names} files; changed: {changed or 'none'})",
        ]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[Connection]:
        """Connect, and wait until nobody else migrates this database."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("set statement_timeout = 0")
            connection.execute("set idle_in_transaction_session_timeout = 0")
            connection.execute(
                "select set_config('lock_timeout', %s, false)", [self._milliseconds()]
            )
            deadline = time.monotonic() + TURN_TIMEOUT
            waiting = False
            # Asking again beats waiting inside PostgreSQL: a waiting statement would itself be
            # waited for by an index that is built concurrently.
            while not _value(connection, "select pg_try_advisory_lock(%s)", ADVISORY_LOCK):
                if time.monotonic() > deadline:
                    raise MigrateError("another migration has been running for too long")
                if not waiting:
                    self.report("waiting for another migration to finish")
                waiting = True
                time.sleep(0.2)
            yield connection

    def _milliseconds(self) -> str:
        return f"{int(self.lock_timeout * 1000)}ms"

    def _ensure_roles(self, connection: Connection) -> None:
        """Create the roles, or go on without the right to if somebody else already has."""
        try:
            self._retry("roles", partial(self._run_file, connection, "sql/roles.sql"), ROLE_RACES)
        except MigrateError as error:
            try:
                connection.execute("set role parley_owner")
                connection.execute("reset role")
            except (
                errors.InsufficientPrivilege,
                errors.UndefinedObject,
                errors.InvalidParameterValue,
            ):
                user = connection.info.user
                raise MigrateError(
                    f"{str(error).splitlines()[0]}: let an administrator (CREATEROLE) run "
                    f"sql/roles.sql and `grant parley_owner to {user}`, once"
                ) from error
            self.report("roles are there already; left as they are (no right to change them)")

    def _install_functions(self, connection: Connection) -> None:
        """Replace every function, view and grant in one transaction, as install.sql orders them."""
        install = self.root / "functions" / "install.sql"
        files = 0
        with connection.transaction():
            connection.execute("set local search_path to default")
            for path, text in expand(install):
                try:
                    connection.execute(text.encode())
                except psycopg.Error as error:
                    if isinstance(error, BUSY):
                        raise
                    raise MigrateError(
                        _located(path.relative_to(self.root), text, error)
                    ) from error
                files += path != install
        self.report(f"replaced the functions ({files} files)")

    def _retry(
        self,
        what: str,
        step: Callable[[], Result],
        also: tuple[type[psycopg.Error], ...] = (),
    ) -> Result:
        """Run a step again when somebody is in its way, waiting longer each time."""
        in_the_way: tuple[type[psycopg.Error], ...] = (*BUSY, *also)
        pause = 0.25
        for attempt in range(1, self.attempts + 1):
            try:
                return step()
            except in_the_way as error:
                if attempt == self.attempts:
                    raise MigrateError(
                        f"{what}: {str(error).splitlines()[0]} ({attempt} attempts); "
                        "see pg_stat_activity for who holds the lock"
                    ) from error
                self.report(f"{what}: busy, trying again in {pause:g} s")
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            except psycopg.Error as error:
                raise MigrateError(f"{what}: {str(error).splitlines()[0]}") from error
        raise AssertionError("unreachable")

    def _run_file(self, connection: Connection, name: str) -> None:
        connection.execute((self.root / name).read_bytes())

    def _migrations(self) -> list[Migration]:
        return list(topological_sort(read_migrations(str(self.root / "migrations"))))

    def _file(self, name: str, suffix: str = ".sql") -> Path:
        return self.root / "migrations" / f"{name}{suffix}"

    def _status(self, connection: Connection) -> Status:
        names = [migration.id for migration in self._migrations()]
        applied: list[str] = []
        checksums: dict[str, str] = {}
        if _value(connection, "select to_regclass('parley_migrations.checksums')"):
            rows = connection.execute(
                """select m.migration_id, c.sha256
                     from parley_migrations._yoyo_migration m
                     left join parley_migrations.checksums c using (migration_id)
                    order by m.applied_at_utc, m.migration_id"""
            ).fetchall()
            applied = [name for name, _ in rows]
            checksums = {name: found for name, found in rows if found}
        return Status(
            applied=applied,
            pending=[name for name in names if name not in applied],
            edited=[
                name
                for name, found in checksums.items()
                if name in names and found != checksum(self._file(name))
            ],
            unknown=[name for name in applied if name not in names],
            drifted=self._drifted(connection),
        )

    def _drifted(self, connection: Connection) -> list[str]:
        """Name the functions whose body in the database is not the one in their file."""
        files = {
            f"{path.relative_to(self.root / 'functions').parts[0]}.{path.stem}": path.read_text(
                encoding="utf-8"
            )
            for path in (self.root / "functions").glob("*/**/*.sql")
            if "create or replace function" in path.read_text(encoding="utf-8")
        }
        bodies = {
            f"{schema}.{name}": body
            for schema, name, body in connection.execute(
                """select n.nspname, p.proname, p.prosrc
                     from pg_catalog.pg_proc p
                     join pg_catalog.pg_namespace n on n.oid = p.pronamespace
                    where n.nspname in ('api', 'chat')"""
            )
        }
        return sorted(
            name
            for name in files.keys() | bodies.keys()
            if name not in files or name not in bodies or bodies[name] not in files[name]
        )

    def _refuse_edited(self, status: Status) -> None:
        if status.edited:
            raise MigrateError(
                f"{', '.join(status.edited)}: edited after it was applied; "
                "restore the file and put the change into a new migration"
            )


class _Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """yoyo on our connection; a migration and the note that it was applied commit together."""

    def __init__(self, connection: Connection) -> None:
        self._given = connection
        super().__init__(parse_uri("postgresql://"), "_yoyo_migration")

    def connect(self, dburi: object) -> Connection:  # noqa: ARG002
        """Use the connection that holds the advisory lock."""
        return self._given

    def init_connection(self, connection: Connection) -> None:
        """Let yoyo find its tables."""
        connection.execute("set search_path to parley_migrations")

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:  # noqa: ARG002
        """Apply and note it, in one transaction unless the file asks for none."""
        with self._together(migration):
            migration.process_steps(self, "apply")
            with self.transaction():
                self.execute("set local role parley_owner")
                self.log_migration(migration, "apply")
                self.mark_one(migration, log=False)
                self._given.execute(
                    """insert into checksums (migration_id, sha256) values (%s, %s)
                       on conflict (migration_id) do update set sha256 = excluded.sha256""",
                    [migration.id, checksum(Path(migration.path))],
                )

    def rollback_one(self, migration: Migration, force: bool = False) -> None:  # noqa: ARG002
        """Undo and note it."""
        with self._together(migration):
            migration.process_steps(self, "rollback")
            with self.transaction():
                self.execute("set local role parley_owner")
                self.log_migration(migration, "rollback")
                self.unmark_one(migration, log=False)
                forget = "delete from checksums where migration_id = %s"
                self._given.execute(forget, [migration.id])

    def get_log_data(
        self, migration: Migration | None = None, operation: str = "apply"
    ) -> dict[str, object]:
        """Describe an operation without asking the network who we are."""
        return {
            "id": str(uuid.uuid4()),
            "migration_id": migration and migration.id,
            "migration_hash": migration and migration.hash,
            "username": self._given.info.user,
            "hostname": platform.node(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }

    def _together(self, migration: Migration) -> contextlib.AbstractContextManager[object]:
        migration.load()
        if migration.use_transactions:
            return self.transaction()  # type: ignore[no-any-return]
        return contextlib.nullcontext()


def expand(install: Path) -> Iterator[tuple[Path, str]]:
    r"""Yield install.sql piece by piece with the files its `\ir` lines include, in order."""
    text: list[str] = []
    for line in install.read_text(encoding="utf-8").splitlines(keepends=True):
        if included := re.match(r"\\ir\s+(\S+)\s*$", line):
            if "".join(text).strip():
                yield install, "".join(text)
            text = []
            yield from expand((install.parent / included[1]).resolve())
        else:
            text.append(line)
    if "".join(text).strip():
        yield install, "".join(text)


def _value(connection: Connection, query: str, *arguments: object) -> Any:
    row = connection.execute(query.encode(), arguments).fetchone()
    return row and row[0]


def _located(path: Path, text: str, error: psycopg.Error) -> str:
    """Say where in which file PostgreSQL stumbled."""
    position = error.diag.statement_position
    line = f":{text[: int(position)].count(chr(10)) + 1}" if position else ""
    context = f" ({error.diag.context})" if error.diag.context else ""
    return f"{path}{line}: {error.diag.message_primary}{context}"
