"""Prometheus metrics, one figure for all worker processes."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from thin_api.pool import Pool

CONTENT_TYPE = CONTENT_TYPE_LATEST
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # read by the library when it is imported

disable_created_metrics()  # type: ignore[no-untyped-call]

REQUESTS = Counter("parley_http_requests_total", "Requests answered", ("method", "route", "status"))
SECONDS = Histogram(
    "parley_http_request_seconds",
    "Time from a request's first byte to the end of its answer",
    ("method", "route"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
IN_FLIGHT = Gauge(
    "parley_http_requests_in_flight", "Requests being answered", multiprocess_mode="livesum"
)
RETRIES = Counter("parley_database_retries_total", "Database calls sent again", ("reason",))
BATCHES = Histogram(
    "parley_send_batch_messages",
    "Messages that went to the database in one call",
    buckets=(1, 2, 5, 10, 20, 50, 100),
)
WEBHOOKS = Counter(
    "parley_webhooks_total",
    "Webhooks: received, parked (kept, but not taken in), unreadable, forged (bad signature)",
    ("provider", "outcome"),
)
WEBHOOK_EVENTS = Counter(
    "parley_webhook_events_total",
    "What webhooks told: messages, statuses, reactions, ..., repetitions too",
    ("provider", "kind"),
)
WEBHOOK_BATCHES = Histogram(
    "parley_webhook_batch_size",
    "Webhooks that went to the database in one call",
    buckets=(1, 2, 5, 10, 20, 50, 100),
)
SOCKETS = Gauge("parley_sockets", "Open sockets", ("kind",), multiprocess_mode="livesum")
EVENTS = Counter("parley_push_events_total", "Events taken from the outbox")
FRAMES = Counter("parley_push_frames_total", "Frames handed to sockets")
PUSH_SECONDS = Histogram(
    "parley_push_seconds",
    "Time from writing an event, just before its commit, to handing its frames to the sockets",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
DOORBELL = Counter(
    "parley_push_doorbell_total",
    "Transactions with events that had to wake a listener, and those that found it awake",
    ("outcome",),
)
RESYNCS = Counter(
    "parley_push_resyncs_total",
    "Times sockets had to be brought up to date from the log: the listener was lost, dropped or "
    "too far behind, or one socket's cursor was too old (reset)",
    ("reason",),
)
OUTBOX = Gauge(
    "parley_outbox_events", "Events kept for listeners", multiprocess_mode="livemostrecent"
)
DELIVERIES = Counter(
    "parley_deliveries_total", "Attempts to send a message by a provider", ("provider", "outcome")
)
DELIVERY_SECONDS = Histogram(
    "parley_delivery_seconds",
    "Time a provider took to answer an attempt",
    ("provider",),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
DELIVERIES_UNDER_WAY = Gauge(
    "parley_deliveries_under_way", "Messages being sent by providers", multiprocess_mode="livesum"
)
RUNS = Counter(
    "parley_runs_total",
    "Answers: completed, failed, released (we were stopped), lost (over, or not ours any more)",
    ("outcome",),
)
RUN_SECONDS = Histogram(
    "parley_run_seconds",
    "Time a completed answer took",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
RUN_FIRST_WORD_SECONDS = Histogram(
    "parley_run_first_word_seconds",
    "Time until a responder said something",
    buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
RUNS_UNDER_WAY = Gauge("parley_runs_under_way", "Answers being given", multiprocess_mode="livesum")
POOL = {
    state: Gauge(f"parley_pool_{state}", meaning, multiprocess_mode="livesum")
    for state, meaning in {
        "size": "Database connections allowed",
        "open": "Database connections open",
        "busy": "Database connections in use",
        "waiting": "Requests waiting for a database connection",
    }.items()
}


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request."""
    key = (method, route, status)
    known = _children.get(key)
    if known is None:
        known = _children[key] = (
            REQUESTS.labels(method, route, str(status)),
            SECONDS.labels(method, route),
        )
    known[0].inc()
    known[1].observe(seconds)


def observe_webhook(provider: str, outcome: str) -> None:
    """Count one webhook."""
    _counter(WEBHOOKS, provider, outcome).inc()


def observe_webhook_events(provider: str, kinds: Iterable[str]) -> None:
    """Count what a webhook told."""
    for kind in kinds:
        _counter(WEBHOOK_EVENTS, provider, kind).inc()


def observe_pool(pool: Pool) -> None:
    """Take the pool's figures of this moment."""
    for state, gauge in POOL.items():
        gauge.set(getattr(pool, state))


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Let the worker processes started within add up their figures."""
    with tempfile.TemporaryDirectory(prefix="parley-metrics-") as directory:
        os.environ[DIRECTORY] = directory
        try:
            yield
        finally:
            del os.environ[DIRECTORY]


def render() -> bytes:
    """Write the exposition text; with several workers, their sum."""
    directory = os.environ.get(DIRECTORY)
    if directory is None:
        return generate_latest(REGISTRY)
    forget_dead_workers(directory)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def forget_dead_workers(directory: str) -> None:
    """Drop the gauges of workers that ended without saying so."""
    for file in Path(directory).glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not psutil.pid_exists(pid):
            multiprocess.mark_process_dead(pid, path=directory)  # type: ignore[no-untyped-call]


def _counter(family: Counter, provider: str, what: str) -> Counter:
    key = (family, provider, what)
    known = _counters.get(key)
    if known is None:
        known = _counters[key] = family.labels(provider, what)
    return known


# Looking a label set up costs more than counting; routes, methods and statuses are few.
_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
_counters: dict[tuple[Counter, str, str], Counter] = {}
