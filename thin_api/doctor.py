"""What is wrong with this database or these settings, and what to do about it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.rows import namedtuple_row

from thin_api.migrate import Migrator
from thin_api.responders.loading import load_responder
from thin_api.settings import Settings, SettingsError, with_secret

OLDEST = 150000
NEWEST = 190000
ROLES = ("parley_owner", "parley_api", "parley_user", "parley_operator")
WRAPAROUND = 1_000_000_000  # of about 2 billion

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and its cure."""

    problem: str
    fix: str


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Find settings that stop or endanger a server."""
    try:
        with_secret(settings)
    except SettingsError as error:
        yield Finding(str(error), "set one of them")
    try:
        load_responder(settings)
    except SettingsError as error:
        yield Finding(str(error), "docs/assistant.md tells what may stand there")
    if settings.jwks_url and settings.jwks_url.startswith("http://"):
        yield Finding("PARLEY_JWKS_URL is not encrypted", "use its https address")
    if settings.jwks_url and not settings.jwt_issuer:
        yield Finding(
            "any token signed by a key of PARLEY_JWKS_URL is accepted, whoever it was issued for",
            "set PARLEY_JWT_ISSUER and PARLEY_JWT_AUDIENCE",
        )


def checks(settings: Settings) -> list[tuple[str, Callable[[Connection], Iterator[Finding]]]]:
    """Return the checks of a database, in the order that explains most."""
    return [
        ("version", _version),
        ("roles", lambda connection: _roles(connection, settings)),
        ("migrations", lambda connection: _migrations(connection, settings)),
        ("grants", _grants),
        ("server settings", lambda connection: _server_settings(connection, settings)),
        ("indexes", _indexes),
        ("deliveries", _deliveries),
        ("invariants", lambda connection: _invariants(connection, settings)),
    ]


def connect(dsn: str) -> Connection:
    """Connect for looking only."""
    options = "-c default_transaction_read_only=on -c application_name=parley_doctor"
    return psycopg.connect(
        dsn, autocommit=True, connect_timeout=10, row_factory=namedtuple_row, options=options
    )


def violations(connection: Connection, role: str) -> list[tuple[str, str | None, Any]]:
    """Return what check_invariants() finds, asked as the role that may."""
    with connection.transaction():
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        return connection.execute(
            "select invariant, conversation_id::text, details from api.check_invariants()"
        ).fetchall()


def _version(connection: Connection) -> Iterator[Finding]:
    version = connection.info.server_version
    if version < OLDEST:
        yield Finding(f"PostgreSQL {version // 10000} is too old", "upgrade to 15, 16, 17 or 18")
    if version >= NEWEST:
        yield Finding(f"PostgreSQL {version // 10000} is newer than was tested", "use 18")
    if (encoding := connection.info.parameter_status("server_encoding")) != "UTF8":
        yield Finding(f"the database's encoding is {encoding}", "create it with encoding 'UTF8'")
    if _one(connection, "select pg_is_in_recovery()"):
        yield Finding("this server is a standby: nothing can be written", "connect to the primary")


def _roles(connection: Connection, settings: Settings) -> Iterator[Finding]:
    present = {
        row.rolname: row
        for row in connection.execute(
            "select rolname, rolcanlogin, rolsuper from pg_roles where rolname = any(%s)",
            [[*ROLES, settings.database_role]],
        )
    }
    for name in ROLES:
        if name not in present:
            yield Finding(f"role {name} does not exist", "run `parley migrate` with CREATEROLE")
        elif present[name].rolsuper:
            yield Finding(f"{name} is a superuser", f"alter role {name} nosuperuser")
    if present.get("parley_owner") and present["parley_owner"].rolcanlogin:
        yield Finding("parley_owner can log in", "alter role parley_owner nologin")
    try:
        with connection.transaction():
            role = sql.Identifier(settings.database_role)
            connection.execute(sql.SQL("set local role {}").format(role))
    except (errors.InsufficientPrivilege, errors.InvalidParameterValue, errors.UndefinedObject):
        yield Finding(
            f"{connection.info.user} cannot work as PARLEY_DATABASE_ROLE={settings.database_role}",
            f"grant {settings.database_role} to {connection.info.user}",
        )


def _migrations(connection: Connection, settings: Settings) -> Iterator[Finding]:
    status = Migrator(settings.database_url or connection.info.dsn).status()
    if status.pending:
        yield Finding(f"pending: {', '.join(status.pending)}", "parley migrate")
    if status.edited:
        yield Finding(
            f"edited after being applied: {', '.join(status.edited)}",
            "restore the files and put the change into a new migration",
        )
    if status.unknown:
        yield Finding(
            f"applied, but not in this version: {', '.join(status.unknown)}",
            "run the version of Parley that this database was migrated with, or a newer one",
        )
    if status.drifted and not status.pending:
        yield Finding(
            f"not as in their files: {', '.join(status.drifted)}",
            "parley migrate; whoever changed them by hand should change the file",
        )


def _grants(connection: Connection) -> Iterator[Finding]:
    rows = connection.execute(
        """select n.nspname || '.' || p.proname as name, a.grantee::regrole::text as grantee
             from pg_proc p
             join pg_namespace n on n.oid = p.pronamespace
            cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
            where n.nspname in ('api', 'chat') and a.grantee = 0
            order by 1"""
    ).fetchall()
    if rows:
        yield Finding(
            f"executable by everybody: {', '.join(row.name for row in rows)}",
            "parley migrate, which installs the grants",
        )
    rows = connection.execute(
        """select r.rolname, c.relname, n.nspname
             from pg_class c
             join pg_namespace n on n.oid = c.relnamespace
            cross join pg_roles r
            where n.nspname = 'chat' and c.relkind in ('r', 'p')
              and r.rolname in ('parley_api', 'parley_user')
              and has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate')
            order by 1, 2"""
    ).fetchall()
    for row in rows:
        yield Finding(
            f"{row.rolname} can touch {row.nspname}.{row.relname} without a function",
            f"revoke all on {row.nspname}.{row.relname} from {row.rolname}",
        )


# Setting, value that hurts, why, cure.
HARMFUL = (
    ("fsync", "off", "a crash corrupts the database", "alter system set fsync = on"),
    ("full_page_writes", "off", "a crash corrupts it", "alter system set full_page_writes = on"),
    ("autovacuum", "off", "tables swell until they stop", "alter system set autovacuum = on"),
    ("track_counts", "off", "autovacuum is blind", "alter system set track_counts = on"),
    (
        "log_statement",
        "all",
        "message contents are written to the server's log",
        "alter system set log_statement = 'ddl'",
    ),
)


def _server_settings(connection: Connection, settings: Settings) -> Iterator[Finding]:
    values = {row.name: row for row in connection.execute("select * from pg_settings")}
    for name, value, why, fix in HARMFUL:
        if values[name].setting == value:
            yield Finding(f"{name} = {value}: {why}", f"{fix}; select pg_reload_conf()")
    isolation = values["default_transaction_isolation"].setting
    if isolation != "read committed":
        yield Finding(
            f"default_transaction_isolation = {isolation}: the functions lock, then look, and "
            "would look into the past",
            "alter database ... reset default_transaction_isolation",
        )
    needed = settings.workers * (settings.pool_size + 1)
    free = int(values["max_connections"].setting) - int(
        values["superuser_reserved_connections"].setting
    )
    if needed > free:
        yield Finding(
            f"{settings.workers} workers may open {needed} connections, the server allows {free}",
            "lower PARLEY_POOL_SIZE, raise max_connections, or put PgBouncer in front",
        )
    age = _one(
        connection, "select age(datfrozenxid) from pg_database where datname = current_database()"
    )
    if age > WRAPAROUND:
        yield Finding(f"{age} transactions since the last full vacuum", "vacuum (freeze, verbose)")


def _indexes(connection: Connection) -> Iterator[Finding]:
    for row in connection.execute(
        """select i.indexrelid::regclass::text as name
             from pg_index i
             join pg_class c on c.oid = i.indexrelid
             join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = 'chat' and not i.indisvalid"""
    ):
        yield Finding(f"index {row.name} is not valid", f"reindex index concurrently {row.name}")


def _deliveries(connection: Connection) -> Iterator[Finding]:
    for row in connection.execute(
        """select c.provider, count(*) as waiting, min(d.due_at)::text as since
             from chat.deliveries d
             join chat.channels c on c.channel_id = d.channel_id
            where d.status = 'queued' and d.due_at < now() - interval '10 minutes'
              and not exists (select
                                from chat.deliveries o
                               where o.conversation_id = d.conversation_id and o.status = 'queued'
                                 and o.due_at > now())
            group by c.provider"""
    ):
        yield Finding(
            f"{row.waiting} messages wait for {row.provider} since {row.since}",
            f"give a server the credentials of {row.provider} (docs/settings.md)",
        )


def _invariants(connection: Connection, settings: Settings) -> Iterator[Finding]:
    for invariant, conversation, details in violations(connection, settings.database_role):
        yield Finding(
            f"{invariant} in conversation {conversation}: {details}",
            "tell the developers: no sequence of calls should get here",
        )


def _one(connection: Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    return row and row[0]


def examine(settings: Settings, dsn: str) -> Iterator[tuple[str, list[Finding]]]:
    """Run every check that can be run; each by name with what it found."""
    yield "settings", list(check_settings(settings))
    try:
        connection = connect(dsn)
    except psycopg.OperationalError as error:
        lines = " ".join(str(error).split())
        fix = "start the server, or correct " + ("DATABASE_URL" if settings.database_url else "it")
        yield "connection", [Finding(lines, fix)]
        return
    with connection:
        yield "connection", []
        for name, check in checks(settings):
            try:
                yield name, list(check(connection))
            except psycopg.Error as error:
                first = str(error).splitlines()[0]
                yield name, [Finding(f"cannot be checked: {first}", "cure what is above first")]
