"""What does it cost a send that messages can be searched?

Method      pgbench, 8 clients, api.send_message_atomic with the search index and, in a second
            database, without it.
Objections  The message is short: eight words that all messages share and two of 10,000. A longer
            one costs more. GIN's pending list moves part of the cost to whoever fills it up.
"""

from bench.harness import Answer, Bench, Connection, Ratio, from_sql
from bench.scripts import SEND_WORDS, in_groups


def measure(bench: Bench) -> Answer:
    """Compare with and without."""
    with (
        bench.database("search_on") as indexed,
        bench.database("search_off", _without_index) as plain,
    ):
        samples = bench.compare(
            [
                from_sql("with the search index", in_groups(SEND_WORDS), 8, indexed),
                from_sql("without", in_groups(SEND_WORDS), 8, plain),
            ]
        )
    return Answer(
        samples,
        [
            Ratio("with / without", "with the search index", "without", goal="≥ 0.95"),
            Ratio(
                "with / without, CPU of the database",
                "with the search index",
                "without",
                "cpu_database",
            ),
        ],
    )


def _without_index(connection: Connection) -> None:
    connection.execute("drop index chat.messages_content_idx")
