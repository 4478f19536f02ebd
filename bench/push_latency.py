"""How long from a request to the frame at another client, with little going on?

Method      Ten pairs: 100 messages a second over HTTP, each by one of ten senders in a group of
            its own, to one other member who has a socket. Timed from the request's first byte to
            the frame, and for comparison to the answer. One worker, and two.
Objections  Little load: what is queued under more shows in `fanout`. Two idle workers wait for the
            same events, and half of the sends reach them at the worker that has not the socket.
            Sender and receiver are one process, so their clock is one.
"""

from bench.harness import Answer, Bench, Ratio, connected, from_sockets, timed_requests

PAIRS = range(1, 101, 10)  # groups no two of which share a member
RATE = 100.0
SENDING = {
    "requests": timed_requests([(group, group) for group in PAIRS]),
    "rate": RATE,
    "connections": 10,
    "copies": 1,
}


def measure(bench: Bench) -> Answer:
    """Time frames and answers, with one worker and two."""
    receivers = [group + 1 for group in PAIRS]
    with (
        bench.database("latency_one") as first,
        bench.database("latency_two") as second,
        bench.serving(first) as one,
        bench.serving(second, workers=2) as two,
        connected(one, receivers, **SENDING) as by_one,
        connected(two, receivers, **SENDING) as by_two,
    ):
        samples = bench.compare(
            [
                from_sockets("frame, 1 worker", one, by_one),
                from_sockets("answer, 1 worker", one, by_one, "answers"),
                from_sockets("frame, 2 workers", two, by_two),
                from_sockets("answer, 2 workers", two, by_two, "answers"),
            ]
        )
    return Answer(
        samples,
        [
            Ratio("frame / answer, 1 worker, p50", "frame, 1 worker", "answer, 1 worker", "p50_ms"),
            Ratio(
                "frame / answer, 2 workers, p50", "frame, 2 workers", "answer, 2 workers", "p50_ms"
            ),
        ],
        notes=["Goal: p50 ≤ 2.3 ms and p99 ≤ 7.5 ms for frames with one worker."],
    )
