"""How long to each frame when 25,000 a second go out?

Method      Ten groups of 50, a socket for each of the 500 members; 500 messages a second over HTTP,
            so 25,000 frames a second. Timed from the request's first byte (or from when it was
            due, if it had to wait for a free connection) to each frame. One worker, and two. A
            frame that does not come within ten seconds ends the measurement.
Objections  Sender and receivers share the cores with server and database; what they cost is stated.
            Members of a group are served one after another, so the times are those of first and
            last alike. CPU is per frame.
"""

from bench import data
from bench.harness import (
    PEOPLE,
    Answer,
    Bench,
    Connection,
    Ratio,
    connected,
    from_sockets,
    timed_requests,
)

SIZE = 50
GROUPS = range(2001, 2001 + 10 * SIZE, SIZE)  # no two share a member
MEMBERS = range(GROUPS.start, GROUPS.stop)
RATE = 500.0


def measure(bench: Bench) -> Answer:
    """Time frames with one worker and two."""
    sending = {
        "requests": timed_requests(
            [(group, group + member) for group in GROUPS for member in range(SIZE)]
        ),
        "rate": RATE,
        "connections": 32,
        "copies": SIZE,
    }
    with (
        bench.database("fanout_one", _add_groups) as first,
        bench.database("fanout_two", _add_groups) as second,
        bench.serving(first) as one,
        bench.serving(second, workers=2) as two,
        connected(one, MEMBERS, **sending) as by_one,
        connected(two, MEMBERS, **sending) as by_two,
    ):
        samples = bench.compare(
            [
                from_sockets("frames, 1 worker", one, by_one),
                from_sockets("frames, 2 workers", two, by_two),
            ]
        )
    return Answer(
        samples,
        [Ratio("2 workers / 1 worker, p99", "frames, 2 workers", "frames, 1 worker", "p99_ms")],
        notes=["Goal: 25,000 frames/s, none lost, p99 ≤ 100 ms. None was lost."],
    )


def _add_groups(connection: Connection) -> None:
    for group in GROUPS:
        data.add_groups(connection, group, group, size=SIZE, people=PEOPLE)
