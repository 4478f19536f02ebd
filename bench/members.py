"""Does a send cost more in a larger group?

Method      pgbench with one client sends to a group of two and to a group of 10,000 members, always
            as the same member; the figure is the database's CPU time per call.
Objections  Nobody is connected: delivering to 10,000 sockets costs what it costs, after the commit.
            Nobody has blocked the sender; those who have cost an exclusion row each. Before the
            check all read everything, or it would count the unread messages of each of 10,000.
"""

from bench import data
from bench.harness import GROUPS, PEOPLE, Answer, Bench, Connection, Ratio, from_sql
from bench.scripts import SEND, in_groups

SMALL, LARGE = GROUPS + 1, GROUPS + 2
SIZES = {SMALL: 2, LARGE: 10_000}
READ_ALL = """
update chat.members m
   set delivered_seq = c.last_seq, read_seq = c.last_seq, sent_count_at_read = m.sent_count
  from chat.conversations c
 where c.conversation_id = m.conversation_id
"""


def measure(bench: Bench) -> Answer:
    """Compare the two groups."""
    with bench.database("members", _add) as database:
        samples = bench.compare(
            [
                from_sql(
                    f"{size:,} members",
                    in_groups(SEND, first=number, groups=1, members=1),
                    1,
                    database,
                )
                for number, size in SIZES.items()
            ]
        )
        with database.connect() as connection:
            connection.execute(READ_ALL)
    return Answer(
        samples,
        [
            Ratio(
                "10,000 / 2 members, CPU of the database",
                "10,000 members",
                "2 members",
                "cpu_database",
                "≤ 1.2",
            ),
            Ratio("10,000 / 2 members, calls/s", "10,000 members", "2 members"),
        ],
    )


def _add(connection: Connection) -> None:
    for number, size in SIZES.items():
        data.add_groups(connection, number, number, size=size, people=PEOPLE)
