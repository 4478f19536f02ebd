"""How near is a send to the least that PostgreSQL could do for it?

Method      pgbench, 8 and 32 clients: api.send_message_atomic; the same with chat.publish made
            empty (in a second database); one bare SQL statement that writes the same conversation
            and message rows (in a third), with the same constraints and indexes.
Objections  The bare statement checks nothing: not who sends, not whether it is a retry, not blocks
            or sizes, and counts nothing for the sender, whose row the function locks and updates.
            It is no alternative, only the floor. No listener is attached to what is published.
"""

from bench.harness import Answer, Bench, Connection, Ratio, from_sql
from bench.scripts import FLOOR, SEND, SILENT, in_groups

CLIENTS = (8, 32)


def measure(bench: Bench) -> Answer:
    """Compare the three at both numbers of clients."""
    with (
        bench.database("floor_send") as whole,
        bench.database("floor_silent", _without_publishing) as silent,
        bench.database("floor_bare", checked=False) as bare,
    ):
        samples = bench.compare(
            [
                arm
                for clients in CLIENTS
                for arm in (
                    from_sql(
                        f"bare statement, c{clients}",
                        in_groups(FLOOR),
                        clients,
                        bare,
                        role="parley_owner",
                    ),
                    from_sql(f"send, c{clients}", in_groups(SEND), clients, whole),
                    from_sql(
                        f"send without publishing, c{clients}", in_groups(SEND), clients, silent
                    ),
                )
            ]
        )
    return Answer(
        samples,
        [
            Ratio("send / bare statement, c8", "send, c8", "bare statement, c8", goal="≥ 0.75"),
            Ratio("send / bare statement, c32", "send, c32", "bare statement, c32"),
            Ratio(
                "the same in CPU of the database, c8",
                "send, c8",
                "bare statement, c8",
                "cpu_database",
            ),
            *(
                Ratio(
                    f"send / without publishing, c{clients}",
                    f"send, c{clients}",
                    f"send without publishing, c{clients}",
                    goal="≥ 0.95",
                )
                for clients in CLIENTS
            ),
        ],
    )


def _without_publishing(connection: Connection) -> None:
    connection.execute(SILENT)
