"""What is left of the database's speed over HTTP?

Method      POST .../messages over 32 connections to `parley serve` with one worker and with two,
            against pgbench calling the same function with 32 and 8 clients; one worker also with
            batching taken out. Then one connection alone, with batching and without. Every send has
            a token of its own sender and a key. Logs go to a file, as by default.
Objections  Load, server and PostgreSQL share the machine: what the load costs (its column) the
            server lacks. With two workers the kernel decides which worker gets how many of the 32
            connections; an uneven share makes a slow round. Tokens repeat, so most are known
            already, as those of connected users are.
"""

from bench.harness import GROUPS, Answer, Bench, Ratio, from_http, from_sql, send_requests
from bench.scripts import SEND, in_groups


def measure(bench: Bench) -> Answer:
    """Compare the ways to send."""
    requests = send_requests(range(1, GROUPS + 1))
    with (
        bench.database("http_send") as database,
        bench.serving(database) as one,
        bench.serving(database, workers=2) as two,
        bench.serving(database, module="bench.unbatched") as unbatched,
    ):
        samples = bench.compare(
            [
                from_http("HTTP, 1 worker", one, requests, sends=True),
                from_http("HTTP, 1 worker, unbatched", unbatched, requests, sends=True),
                from_http("HTTP, 2 workers", two, requests, sends=True),
                from_sql("pgbench, c32", in_groups(SEND), 32, database),
                from_sql("pgbench, c8", in_groups(SEND), 8, database),
                from_http("HTTP, 1 connection", one, requests, 1, sends=True),
                from_http("HTTP, 1 connection, unbatched", unbatched, requests, 1, sends=True),
            ]
        )
    return Answer(
        samples,
        [
            Ratio("HTTP, 1 worker / pgbench, c32", "HTTP, 1 worker", "pgbench, c32"),
            Ratio(
                "HTTP, 2 workers / pgbench, c32", "HTTP, 2 workers", "pgbench, c32", goal="≥ 0.85"
            ),
            Ratio("HTTP, 1 worker / pgbench, c8", "HTTP, 1 worker", "pgbench, c8"),
            Ratio("HTTP, 2 workers / pgbench, c8", "HTTP, 2 workers", "pgbench, c8"),
            Ratio(
                "batched / unbatched, 32 connections", "HTTP, 1 worker", "HTTP, 1 worker, unbatched"
            ),
            Ratio(
                "batched / unbatched, 1 connection, p50",
                "HTTP, 1 connection",
                "HTTP, 1 connection, unbatched",
                "p50_ms",
                "≤ 1.10",
            ),
        ],
    )
