"""What does it cost a send that it is pushed to sockets?

Method      pgbench, 8 and 32 clients, api.send_message_atomic: in a database whose events a server
            follows, with 100 sockets open; in one with chat.publish made empty; and in one with
            the usual way instead: a plain pg_notify with the event, which nobody listens to.
Objections  The server that follows works on the same cores, so calls/s pay for it too; the CPU of
            the database is what publishing itself costs. Its sockets get about every tenth message,
            and are read by another process on the same cores. Nobody listening favours pg_notify:
            a listener would have to be woken at each commit.
"""

import dataclasses
from collections.abc import Callable

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
from bench.scripts import SEND, in_groups

CLIENTS = (8, 32)
PEOPLE = range(10, 1010, 10)

SILENT = """
create or replace function chat.publish(
    p_conversation_id uuid, p_event jsonb, p_excluded uuid[] default null)
returns void language plpgsql volatile as 'begin end'
"""
NOTIFYING = """
create or replace function chat.publish(
    p_conversation_id uuid, p_event jsonb, p_excluded uuid[] default null)
returns void language plpgsql volatile as $$
begin
    perform pg_notify('events', left(p_event::text, 7999));
end
$$
"""


def measure(bench: Bench) -> Answer:
    """Compare the three at both numbers of clients."""
    with (
        bench.database("push_followed") as followed,
        bench.database("push_silent", _publishing(SILENT)) as silent,
        bench.database("push_notify", _publishing(NOTIFYING)) as notifying,
        bench.serving(followed) as server,
        connected(server, PEOPLE),
    ):
        samples = bench.compare(
            [
                arm
                for clients in CLIENTS
                for arm in (
                    _followed(f"followed by a server, c{clients}", clients, followed, server),
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
                    f"followed / not published, c{clients}",
                    f"followed by a server, c{clients}",
                    f"not published, c{clients}",
                    goal="≥ 0.95",
                ),
                Ratio(
                    f"the same in CPU of the database, c{clients}",
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


def _followed(name: str, clients: int, database: Database, server: Server) -> Arm:
    """Compare pgbench, and count what the server costs."""
    return dataclasses.replace(from_sql(name, in_groups(SEND), clients, database), server=server)


def _publishing(function: str) -> Callable[[Connection], None]:
    def change(connection: Connection) -> None:
        connection.execute(function.encode())

    return change
