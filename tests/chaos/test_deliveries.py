"""What the desk says goes out exactly once and in order, wherever the worker dies."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from random import Random
from typing import Any

import pytest

from tests.chaos.dying import POINTS
from tests.chaos.stage import Server
from tests.fake_provider import AWAY, THROTTLED, WHATSAPP_SECRET, FakeProvider, Refusal, Way
from tests.support import (
    Connection,
    connect,
    new_channel,
    new_tenant,
    new_user,
    receive,
    send,
    violations,
    wait_for,
)

Serve = Callable[..., list[Server]]

# Long enough for a status to come by, on a busy machine; longer where servers come and go.
LEASE = "5 seconds"
LONG_LEASE = "10 seconds"
THREADS = 6
EACH = 3
LOAD = 250  # messages at least, and more until servers were killed so often
KILLS = 4
# Of the provider's answers; the rest is acceptance.
TROUBLE: list[tuple[float, Way | Refusal]] = [
    (0.04, THROTTLED),
    (0.08, AWAY),
    (0.11, "cut_before"),
    (0.15, "cut_after"),
    (0.18, "hang_after"),
]


class Inbox:
    """Contacts who have written, an agent, and all that was said to them."""

    def __init__(self, dsn: str, provider: FakeProvider, threads: int, lease: str) -> None:
        self.service: Connection = connect(dsn)
        self.login: Connection = connect(dsn, None)
        self.login.execute(f"update chat.limits set delivery_lease = '{lease}'".encode())
        self.provider = provider
        tenant_id = new_tenant(self.service)
        channel = new_channel(self.service, tenant_id)
        self.agent = new_user(self.service, "Ann", tenant_id=tenant_id)
        self.threads: list[str] = [
            receive(self.service, channel, "hi", f"+4915100000{n:03}")["conversation_id"]
            for n in range(threads)
        ]
        self.said: defaultdict[str, list[str]] = defaultdict(list)

    def say(self, thread: str) -> None:
        """Send the next message."""
        message = send(self.service, thread, self.agent, f"number {len(self.said[thread])}")
        self.said[thread].append(f"{thread}/{message['id']}")

    def hasten(self) -> None:
        """Let the time of back-offs pass, but not that of leases."""
        self.login.execute(
            "update chat.deliveries set due_at = now() where status = 'queued' and lease is null"
        )

    def left(self) -> int:
        """Return how many are not settled yet."""
        self.hasten()
        row = self.login.execute(
            "select count(*) from chat.deliveries where status not in ('delivered', 'failed')"
        ).fetchone()
        assert row
        count: int = row[0]
        return count

    def has_moved(self, before: int) -> bool:
        """Tell whether fewer are left."""
        return self.left() < before

    def check(self) -> None:
        """Wait until nothing is left, and compare both sides."""
        while before := self.left():
            wait_for(partial(self.has_moved, before), f"one of {before} to settle")
        said = [callback for thread in self.threads for callback in self.said[thread]]
        assert self.provider.counts == dict.fromkeys(said, 1)
        for thread in self.threads:
            taken = [str(one.callback) for one in self.provider.taken]
            assert [one for one in taken if one.startswith(thread)] == self.said[thread]
        assert self._column("select distinct status from chat.deliveries") == ["delivered"]
        assert self._column("select count(*) from chat.parked_events") == [0]
        assert self._column("select count(*) from chat.webhooks where processed_at is null") == [0]
        assert violations(self.service) == []

    def close(self) -> None:
        """End it."""
        self.service.close()
        self.login.close()

    def _column(self, query: str) -> list[Any]:
        return [row[0] for row in self.login.execute(query.encode()).fetchall()]


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider().serving() as provider:
        yield provider


@pytest.fixture
def open_inbox(dsn: str, provider: FakeProvider) -> Iterator[Callable[..., Inbox]]:
    opened: list[Inbox] = []

    def enter(threads: int, lease: str = LEASE) -> Inbox:
        opened.append(Inbox(dsn, provider, threads, lease))
        return opened[-1]

    yield enter
    for inbox in opened:
        inbox.close()


@pytest.fixture
def desk(serve: Serve, provider: FakeProvider) -> Callable[..., list[Server]]:
    """Start a server that takes webhooks and sends nothing, and others that send."""
    (receiver,) = serve("receiver", PARLEY_WHATSAPP_APP_SECRET=WHATSAPP_SECRET)
    provider.webhooks = receiver.url

    def start(*names: str) -> list[Server]:
        return serve(
            *names,
            PARLEY_WHATSAPP_ACCESS_TOKEN="token",
            PARLEY_WHATSAPP_API_BASE=f"{provider.url}/v23.0",
        )

    return start


def revive(server: Server) -> None:
    """Start it again, whole."""
    server.program = Server.program
    server.start()


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_by_itself_neither_loses_nor_doubles(
    desk: Callable[..., list[Server]],
    open_inbox: Callable[..., Inbox],
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    inbox = open_inbox(THREADS)
    with monkeypatch.context() as patch:
        patch.setattr(Server, "program", ("tests.chaos.dying", point, "serve"))
        (server,) = desk("sender")
    for _ in range(EACH):
        for thread in inbox.threads:
            inbox.say(thread)
    wait_for(server.has_died, f"the worker to die when it has {point}")
    revive(server)
    inbox.check()


@pytest.mark.parametrize(
    ("point", "way"),
    [
        ("arrived", "accept"),
        ("arrived", "cut_before"),
        ("arrived", "hang_after"),
        ("taken", "accept"),
        ("taken", "cut_after"),
        ("taken", "hang_after"),
    ],
)
def test_a_worker_killed_during_the_call_neither_loses_nor_doubles(
    desk: Callable[..., list[Server]],
    open_inbox: Callable[..., Inbox],
    provider: FakeProvider,
    point: Any,
    way: Way,
) -> None:
    inbox = open_inbox(THREADS)
    (server,) = desk("sender")
    provider.then("accept", "accept", way)
    for thread in inbox.threads:
        inbox.say(thread)
    killed = threading.Event()

    def kill() -> None:
        server.kill()
        killed.set()

    provider.once(point, kill)
    for _ in range(1, EACH):
        for thread in inbox.threads:
            inbox.say(thread)
    wait_for(killed.is_set, f"the worker to be killed when its message has {point}")
    revive(server)
    inbox.check()


def test_workers_killed_at_random_under_load_neither_lose_nor_double(
    desk: Callable[..., list[Server]], open_inbox: Callable[..., Inbox], provider: FakeProvider
) -> None:
    random = Random("deliveries")
    inbox = open_inbox(20, LONG_LEASE)
    servers = desk("one", "other")

    def choose() -> Way | Refusal:
        drawn = random.random()
        return next((way for limit, way in TROUBLE if drawn < limit), "accept")

    provider.choose = choose
    done = threading.Event()
    kills = [0]

    def kill() -> None:
        whims = Random("kills")
        while not done.wait(whims.uniform(0.2, 1.0)):
            server = whims.choice(servers)
            server.kill()
            kills[0] += 1
            server.start()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        for number in count():
            inbox.say(random.choice(inbox.threads))
            if number % 10 == 0:
                inbox.hasten()
            if number > LOAD and kills[0] >= KILLS:
                break
            assert killer.is_alive()
            done.wait(0.03 if number < LOAD else 0.3)
    finally:
        done.set()
        killer.join()
    inbox.check()
