"""What does it cost a send that it is pushed to sockets?

Method      pgbench, 8 and 32 clients, api.send_message_atomic: in a database that a plain listener
            is attached to, which follows and does nothing with what it gets (plain_listener.py);
            in one whose events a server follows, with 100 sockets open; in one with chat.publish
            made empty; and in one with the usual way instead: a plain pg_notify with the event,
            which nobody listens to.
Objections  Who follows works on the same cores, so calls/s pay for it too; the CPU of the database
            is what publishing and the looks cost. The column HTTP is the CPU of who follows. Half
            of the messages have a socket that gets them, read by another process on the same
            cores. Nobody listening favours pg_notify: a listener would have to be woken at each
            commit.
"""

import contextlib
import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator

from bench.harness import (
    Answer,
    Arm,
    Bench,
    Connection,
    Database,
    Ratio,
    Server,
    connected,
    from_sql,
)
from bench.scripts import NOTIFYING, SEND, SILENT, in_groups

CLIENTS = (8, 32)
PEOPLE = range(10, 1010, 10)


def measure(bench: Bench) -> Answer:
    """Compare the three at both numbers of clients."""
    with (
        bench.database("push_followed") as followed,
        bench.database("push_attached") as attached,
        bench.database("push_silent", _publishing(SILENT)) as silent,
        bench.database("push_notify", _publishing(NOTIFYING)) as notifying,
        bench.serving(followed) as server,
        connected(server, PEOPLE),
        _listening(attached) as listener,
    ):
        samples = bench.compare(
            [
                arm
                for clients in CLIENTS
                for arm in (
                    _followed(f"a plain listener attached, c{clients}", clients, listener),
                    _followed(f"followed by a server, c{clients}", clients, server),
                    from_sql(f"not published, c{clients}", in_groups(SEND), clients, silent),
                    from_sql(f"pg_notify, c{clients}", in_groups(SEND), clients, notifying),
                )
            ]
        )
    return Answer(
        samples,
        [
            ratio
            for clients in CLIENTS
            for ratio in (
                Ratio(
                    f"listener attached / not published, c{clients}",
                    f"a plain listener attached, c{clients}",
                    f"not published, c{clients}",
                    goal="≥ 0.95",
                ),
                Ratio(
                    f"the same in CPU of the database, c{clients}",
                    f"a plain listener attached, c{clients}",
                    f"not published, c{clients}",
                    "cpu_database",
                ),
                Ratio(
                    f"followed / not published, c{clients}",
                    f"followed by a server, c{clients}",
                    f"not published, c{clients}",
                    goal="≥ 0.95",
                ),
                Ratio(
                    f"followed, in CPU of the database, c{clients}",
                    f"followed by a server, c{clients}",
                    f"not published, c{clients}",
                    "cpu_database",
                ),
                Ratio(
                    f"pg_notify / not published, c{clients}",
                    f"pg_notify, c{clients}",
                    f"not published, c{clients}",
                ),
            )
        ],
    )


def _followed(name: str, clients: int, server: Server) -> Arm:
    """Compare pgbench, and count what the server costs."""
    arm = from_sql(name, in_groups(SEND), clients, server.database)
    return dataclasses.replace(arm, server=server)


@contextlib.contextmanager
def _listening(database: Database) -> Iterator[Server]:
    """Attach a plain listener, which counts as a server without an address."""
    command = [sys.executable, "-m", "bench.plain_listener", database.dsn]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"attached\n":
            raise RuntimeError("the listener did not attach")
        yield Server(("", 0), process.pid, database)
        if process.poll() is not None:
            raise RuntimeError("the listener failed")
    finally:
        process.kill()
        process.communicate()


def _publishing(function: str) -> Callable[[Connection], None]:
    def change(connection: Connection) -> None:
        connection.execute(function.encode())

    return change
