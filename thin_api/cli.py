"""The command line: `parley COMMAND`."""

import argparse
import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import FrameType
from typing import NoReturn

import psycopg
import uvicorn
from tqdm import tqdm
from uvicorn.supervisors import Multiprocess

from thin_api import auth, doctor, importing, kept, metrics, replay, seed, trace, wire
from thin_api.client import tail
from thin_api.migrate import MigrateError, Migrator
from thin_api.responders.loading import load_responder
from thin_api.settings import Settings, SettingsError, load, with_secret

if sys.platform != "win32":
    from thin_api import embedded

DAY = 86_400

Command = Callable[[argparse.Namespace, Settings], int]


class Terminated(SystemExit):
    """We were told to stop; whatever is open closes on the way out."""


class CommandError(RuntimeError):
    """A command cannot do what it was asked; the message says why."""


ERRORS: tuple[type[Exception], ...] = (
    CommandError,
    MigrateError,
    importing.ImportingError,
    trace.TraceError,
    OSError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 well, 1 a problem found, 2 a wrong argument or setting."""
    args, rest = parser().parse_known_args(argv)
    command: Command = args.command
    if rest and command is not _psql:
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = rest
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, _leave)
    try:
        return command(args, load())
    except SettingsError as error:
        print(f"parley: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except psycopg.Error as error:
        print(f"parley: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except (*ERRORS, *_embedded_errors()) as error:
        print(f"parley: {str(error).strip() or type(error).__name__}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """Declare every command."""
    top = argparse.ArgumentParser(prog="parley", description="A messaging backend in PostgreSQL.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, about: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=about, description=about)
        one.set_defaults(command=command)
        return one

    one = add("serve", _serve, "Serve HTTP; without DATABASE_URL on an embedded PostgreSQL.")
    one.add_argument("--demo", action="store_true", help="with people and conversations to look at")

    one = add("migrate", _migrate, "Apply pending migrations and replace the functions.")
    what = one.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="show what is applied and pending")
    what.add_argument("--dry-run", action="store_true", help="show what would be done")
    undo = one.add_subparsers(metavar="rollback").add_parser("rollback", help="undo migrations")
    undo.set_defaults(command=_rollback)
    far = undo.add_mutually_exclusive_group()
    far.add_argument("--steps", type=_positive, default=1, metavar="N", help="how many (1)")
    far.add_argument("--to", metavar="ID", help="undo everything after this migration")
    undo.add_argument("--yes", action="store_true", help="do not ask")

    importing.add_arguments(
        add("import-whatsapp", _import, "Take conversations over from an older inbox.")
    )
    add("doctor", _doctor, "Find what is wrong with the database or the settings, and the fix.")

    one = add("token", _token, "Print a token for a user, or for a service.")
    one.add_argument(
        "--user", type=uuid.UUID, metavar="ID", help="left out: of a service that is nobody"
    )
    one.add_argument("--service", action="store_true", help="one that may act for anybody")
    one.add_argument("--expires", type=_positive, default=DAY, metavar="SECONDS")

    add("dsn", _dsn, "Print the connection string in use, for psql.")
    add("psql", _psql, "Open psql on the database in use; it gets all other arguments.")

    replay.add_arguments(add("replay", replay.run, "Feed a real chat log through the HTTP API."))
    trace.add_arguments(add("trace", _trace, "Tell what became of a message."))
    tail.add_arguments(add("tail", tail.run, "Follow what happens to a user, a line an event."))
    one = add("webhooks", _webhooks, "List webhooks that are kept but could not be taken in.")
    one.add_argument("--retry", action="store_true", help="take them in again; 1 if one fails")
    add("invariants", _invariants, "Check what must always hold; status 1 when it does not.")
    add("seed", _seed, "Add demo people and conversations; a second time adds nothing.")
    one = add("reset", _reset, "Stop the embedded server and delete its data.")
    one.add_argument("--yes", action="store_true", help="do not ask")
    return top


@contextlib.contextmanager
def database(settings: Settings, *, keep: bool = False) -> Iterator[str]:
    """Yield the address of the database in use; the embedded server runs as long."""
    if settings.database_url:
        yield settings.database_url
    elif sys.platform == "win32":
        raise SettingsError("the embedded server needs Linux or macOS: set DATABASE_URL")
    else:
        with embedded.running(settings.data_dir, keep=keep) as dsn:
            yield dsn


def _serve(args: argparse.Namespace, settings: Settings) -> int:
    """Serve until told to stop."""
    settings = with_secret(settings)
    load_responder(settings)  # each process does; what is wrong with it is to be told once, here
    with _bound(settings) as listener, database(settings) as dsn:
        if not settings.database_url:
            _migrator(dsn).migrate()
        elif not _is_current(dsn):
            return 1
        # The application reads the environment, in each worker, and finds what was decided here.
        os.environ["DATABASE_URL"] = dsn
        if settings.jwt_secret:
            os.environ["PARLEY_JWT_SECRET"] = settings.jwt_secret
        settings = dataclasses.replace(settings, database_url=dsn)
        if args.demo:
            _sow(settings)
        _greet(settings, listener, demo=args.demo)
        return _run(settings, listener)


def _run(settings: Settings, listener: socket.socket) -> int:
    """Run uvicorn on the listener, in this process or in several, until told to stop."""
    config = uvicorn.Config(
        "thin_api.app:from_environment",
        factory=True,
        workers=settings.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing asks for the client's address or scheme
        timeout_graceful_shutdown=max(1, round(settings.shutdown_grace)),
        **wire.SERVER,
    )
    if settings.workers > 1:
        with metrics.shared():
            Multiprocess(config, sockets=[listener]).run()
        return 0
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listener])
    except (KeyboardInterrupt, Terminated):
        return 0  # uvicorn sends itself the signal again once it has stopped
    return 0 if server.started else 1


@contextlib.contextmanager
def _bound(settings: Settings) -> Iterator[socket.socket]:
    """Take the address before anything else is started for it."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise CommandError(f"cannot listen on {where}: {error.strerror}") from error
    with listener:
        listener.set_inheritable(True)
        yield listener


def _is_current(dsn: str) -> bool:
    """Say what must be migrated first; a database that is away may still come back."""
    try:
        status = Migrator(dsn).status()
    except psycopg.OperationalError as error:
        print(f"parley: the database is away: {str(error).splitlines()[0]}", file=sys.stderr)
        return True
    if status.pending:
        print(
            f"parley: migrations are pending ({', '.join(status.pending)}): run `parley migrate`",
            file=sys.stderr,
        )
    return not status.pending


def _greet(settings: Settings, listener: socket.socket, *, demo: bool) -> None:
    """Print where we are and a first call to paste."""
    host, port = listener.getsockname()[:2]
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    command = "parley" if shutil.which("parley") else sys.argv[0]
    user = str(seed.SOMEBODY) if demo else "USER_ID"
    print(f"Parley serves {base}   reference: {base}/docs   readiness: {base}/ready")
    if settings.jwt_secret:
        print(f"  token=$({command} token --user {user})")
        print(f'  curl -s {base}/v1/conversations -H "Authorization: Bearer $token"')
    sys.stdout.flush()


def _migrate(args: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as dsn:
        migrator = _migrator(dsn)
        if args.status:
            status = migrator.status()
            for state in ("applied", "edited", "pending", "unknown"):
                for name in getattr(status, state):
                    print(f"{state:8} {name}")
            print(f"{len(status.drifted)} functions differ from their files")
        elif args.dry_run:
            print(*migrator.plan(), sep="\n")
        else:
            migrator.migrate()
    return 0


def _rollback(args: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as dsn:
        if not (args.yes or _confirmed("This deletes the data those migrations made room for.")):
            return 1
        _migrator(dsn).rollback(steps=args.steps, to=args.to)
    return 0


def _import(args: argparse.Namespace, settings: Settings) -> int:
    return importing.run(args, settings.database_role, partial(database, settings))


def _doctor(args: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    problems = 0
    with database(settings) as dsn:
        for name, findings in doctor.examine(settings, dsn):
            if not findings:
                print(f"ok       {name}")
            for finding in findings:
                print(f"PROBLEM  {name}: {finding.problem}\n    fix: {finding.fix}")
            problems += len(findings)
    print(f"{problems} problems" if problems != 1 else "1 problem")
    return 1 if problems else 0


def _token(args: argparse.Namespace, settings: Settings) -> int:
    if args.user is None and not args.service:
        raise SettingsError("a token is for a user (--user ID), for a service (--service), or both")
    user_id = None if args.user is None else str(args.user)
    print(auth.issue(with_secret(settings), user_id, seconds=args.expires, service=args.service))
    return 0


def _dsn(args: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    was_running = bool(settings.database_url or embedded.status(settings.data_dir))
    with database(settings, keep=True) as dsn:
        print(dsn)
    if not was_running:
        print(
            "started the embedded server; the next command that uses it stops it", file=sys.stderr
        )
    return 0


def _psql(args: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as dsn:
        program = shutil.which("psql")
        if not program and sys.platform != "win32":
            program = str(embedded.PROGRAMS / "bin" / "psql")
        # Ctrl-C is psql's while it runs: it cancels a query, not the server behind it.
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            given = args.rest[1:] if args.rest[:1] == ["--"] else args.rest
            return subprocess.run([program or "psql", dsn, *given], check=False).returncode
        finally:
            signal.signal(signal.SIGINT, previous)


def _invariants(args: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    with database(settings) as dsn, doctor.connect(dsn) as connection:
        found = doctor.violations(connection, settings.database_role)
    for invariant, conversation, details in found:
        print(f"{invariant}\t{conversation}\t{details}")
    print("every invariant holds" if not found else f"{len(found)} violations", file=sys.stderr)
    return 1 if found else 0


def _webhooks(args: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        found = kept.pending(connection)
        if not args.retry:
            for one in found:
                print(f"{one.received_at:%Y-%m-%d %H:%M:%S%z}\t{one.provider}\t{one.problem}")
            print(f"{len(found)} webhooks are not taken in", file=sys.stderr)
            return 0
        taken = kept.take_in(connection, settings.database_role, found)
        failed = 0
        for one, problem in zip(found, tqdm(taken, total=len(found), disable=None), strict=True):
            if problem is not None:
                failed += 1
                print(f"{one.received_at:%Y-%m-%d %H:%M:%S%z}\t{one.provider}\t{problem}")
    print(f"{len(found) - failed} taken in, {failed} failed", file=sys.stderr)
    return 1 if failed else 0


def _trace(args: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as dsn, doctor.connect(dsn) as connection:
        for line in trace.tell(connection, args.conversation_id, args.message_id, args.log):
            print(line)
    return 0


def _seed(args: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    with database(settings) as dsn:
        if not settings.database_url:
            _migrator(dsn).migrate()
        _sow(dataclasses.replace(settings, database_url=dsn))
    return 0


def _reset(args: argparse.Namespace, settings: Settings) -> int:
    if settings.database_url:
        raise CommandError(
            "this is for the embedded server; for DATABASE_URL see sql/uninstall.sql"
        )
    if not (args.yes or _confirmed(f"This deletes everything stored in {settings.data_dir}.")):
        return 1
    embedded.remove(settings.data_dir)
    print(f"{settings.data_dir} is empty")
    return 0


def _sow(settings: Settings) -> None:
    """Add the demo data, showing progress."""
    with seed.connect(settings) as connection:
        for step in tqdm(seed.STEPS, desc="demo data", unit="step", dynamic_ncols=True):
            step(connection)


def _migrator(dsn: str) -> Migrator:
    return Migrator(dsn, report=lambda line: print(line, file=sys.stderr))


def _confirmed(warning: str) -> bool:
    """Ask, where there is somebody to answer."""
    if not sys.stdin.isatty():
        return True
    return input(f"{warning} Go on? [y/N] ").strip().lower() in {"y", "yes"}


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _leave(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    """Let every `with` close what it opened, the embedded server too."""
    raise Terminated(128 + number)


def _embedded_errors() -> tuple[type[Exception], ...]:
    return () if sys.platform == "win32" else (embedded.EmbeddedError,)
