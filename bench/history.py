"""What does a page of history cost, in the database and over HTTP?

Method      The last 50 of the 200 messages of one of 1,000 groups, chosen at random: GET
            .../messages over 32 connections (one worker, two workers), pgbench calling
            api.list_messages, pgbench selecting the same 50 rows of chat.messages plain (32 and 8
            clients).
Objections  The plain select checks no membership, joins no sender's name, hides nothing, counts no
            further page and builds no JSON. Everything is in memory.
"""

from bench import data
from bench.harness import (
    GROUPS,
    PEOPLE,
    SIZE,
    Answer,
    Bench,
    Connection,
    Ratio,
    from_http,
    from_sql,
    history_requests,
)
from bench.scripts import HISTORY, PLAIN_HISTORY, in_groups

EACH = 200
CLIENTS = (32, 8)


def measure(bench: Bench) -> Answer:
    """Compare the ways to read."""
    requests = history_requests(range(1, GROUPS + 1))
    with (
        bench.database("history", _fill) as database,
        bench.serving(database) as one,
        bench.serving(database, workers=2) as two,
    ):
        samples = bench.compare(
            [
                from_http("HTTP, 1 worker", one, requests, sends=False),
                from_http("HTTP, 2 workers", two, requests, sends=False),
                *(
                    from_sql(
                        f"list_messages, c{clients}",
                        in_groups(HISTORY),
                        clients,
                        database,
                        sends=False,
                    )
                    for clients in CLIENTS
                ),
                *(
                    from_sql(
                        f"plain select, c{clients}",
                        in_groups(PLAIN_HISTORY),
                        clients,
                        database,
                        role="parley_owner",
                        sends=False,
                    )
                    for clients in CLIENTS
                ),
            ]
        )
    return Answer(
        samples,
        [
            Ratio(
                "list_messages / plain select, c8",
                "list_messages, c8",
                "plain select, c8",
                goal="≥ 0.5",
            ),
            Ratio("HTTP, 1 worker / list_messages, c32", "HTTP, 1 worker", "list_messages, c32"),
            Ratio("HTTP, 2 workers / list_messages, c32", "HTTP, 2 workers", "list_messages, c32"),
            Ratio("HTTP, 2 workers / plain select, c32", "HTTP, 2 workers", "plain select, c32"),
        ],
    )


def _fill(connection: Connection) -> None:
    data.add_messages(connection, GROUPS, each=EACH, size=SIZE, people=PEOPLE)
