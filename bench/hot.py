"""What is left when everybody talks in one conversation?

Method      32 senders into one group against 32 senders spread over 1,000: over HTTP (one worker),
            and pgbench calling the function (32 and 8 clients).
Objections  The group has five members, so 32 connections are five people in a hurry: they also meet
            at their own member rows. With more people only the conversation's row would be shared.
"""

from bench.harness import GROUPS, Answer, Bench, Ratio, from_http, from_sql, send_requests
from bench.scripts import SEND, in_groups


def measure(bench: Bench) -> Answer:
    """Compare one conversation with many, each way."""
    with bench.database("hot") as database, bench.serving(database) as server:
        samples = bench.compare(
            [
                from_http("HTTP, spread", server, send_requests(range(1, GROUPS + 1)), sends=True),
                from_http("HTTP, one conversation", server, send_requests([1]), sends=True),
                *(
                    arm
                    for clients in (32, 8)
                    for arm in (
                        from_sql(f"pgbench c{clients}, spread", in_groups(SEND), clients, database),
                        from_sql(
                            f"pgbench c{clients}, one conversation",
                            in_groups(SEND, groups=1),
                            clients,
                            database,
                        ),
                    )
                ),
            ]
        )
    return Answer(
        samples,
        [
            Ratio(
                f"{way}: one conversation / spread",
                f"{way}, one conversation",
                f"{way}, spread",
                goal=goal,
            )
            for way, goal in {"HTTP": "≥ 0.9", "pgbench c32": "", "pgbench c8": ""}.items()
        ],
    )
