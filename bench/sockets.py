"""What does an idle socket cost, and how long does it take to open 2,000?

Method      One server process: its memory after the first socket, and after 2,000 more, each of
            another person who is in five groups or none. RSS, and PSS, which counts what processes
            share in parts. A server of its own each round; 50 sockets are being opened at a time.
Objections  Python and malloc keep what they once took, so this is what 2,000 sockets cost at the
            height of opening them. The kernel's own buffers are not in it.
"""

import statistics
from collections.abc import Sequence

import psutil

from bench.harness import Answer, Bench, Database, connected

SOCKETS = 2000
FIGURES = ("RSS KiB/socket", "PSS KiB/socket", "seconds to open all", "sockets/s")


def measure(bench: Bench) -> Answer:
    """Open them in each round."""
    with bench.database("sockets") as database:
        rounds = [_open(bench, database) for _ in range(bench.rounds)]
    rows = [
        (name, f"{statistics.median(values):,.1f}", f"{min(values):,.1f}-{max(values):,.1f}")
        for name, values in zip(FIGURES, zip(*rounds, strict=True), strict=True)
    ]
    return Answer(
        samples={},
        ratios=(),
        notes=["Goal: ≤ 40 KiB a socket."],
        tables=[[("", "median", "min-max"), *rows]],
    )


def _open(bench: Bench, database: Database) -> Sequence[float]:
    """Open all, and see what that took."""
    with bench.serving(database) as server:
        with connected(server, [1]):
            before = psutil.Process(server.pid).memory_full_info()
        with connected(server, range(1, SOCKETS + 1)) as client:
            after = psutil.Process(server.pid).memory_full_info()
            taken = client.seconds
    return (
        (after.rss - before.rss) / 1024 / SOCKETS,
        (after.pss - before.pss) / 1024 / SOCKETS,
        taken,
        SOCKETS / taken,
    )
