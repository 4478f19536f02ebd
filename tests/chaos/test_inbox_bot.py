"""What contacts ask is answered, and each answer goes out once, wherever the bot's worker dies."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

from tests import bots
from tests.bots import CHATTERBOX
from tests.chaos.stage import Server
from tests.fake_provider import WHATSAPP_SECRET, FakeProvider
from tests.support import (
    connect,
    new_channel,
    new_tenant,
    new_user,
    receive,
    violations,
    wait_for,
)

CONTACTS = 10
EACH = 8
KILLS = 4
RUN_LEASE = "3 seconds"
DELIVERY_LEASE = "10 seconds"  # long enough for a status to come by, where servers come and go

OPEN = """
select count(*)
  from chat.threads t
  join chat.messages m using (conversation_id)
 where m.source = 'contact'
   and m.seq > all (select r.input_seq from chat.runs r
                     where r.conversation_id = t.conversation_id and r.status = 'completed')
"""
LEFT = """
select (select count(*) from chat.runs where finished_at is null)
       + (select count(*) from chat.deliveries where status <> 'delivered')
"""
HASTEN = "update chat.deliveries set due_at = now() where status = 'queued' and lease is null"


class Shop:
    """Contacts who ask a bot."""

    def __init__(self, dsn: str) -> None:
        self.service = connect(dsn)
        self.login = connect(dsn, None)
        self.login.execute(
            f"update chat.limits set run_lease = '{RUN_LEASE}', run_attempts = 1000,"
            f" delivery_lease = '{DELIVERY_LEASE}'".encode()
        )
        tenant_id = new_tenant(self.service)
        bot = new_user(self.service, "Robot", tenant_id=tenant_id, kind="bot")
        self.channel = new_channel(self.service, tenant_id, responder_id=bot)

    def asks(self, contact: int, question: str) -> None:
        """Let a contact write."""
        receive(self.service, self.channel, question, f"+4915100000{contact:03}")

    def count(self, query: str) -> int:
        """Ask for a number."""
        row = self.login.execute(query.encode()).fetchone()
        assert row
        number: int = row[0]
        return number

    def left(self) -> int:
        """Return how much is not settled, back-offs aside."""
        self.login.execute(HASTEN.encode())
        return self.count(LEFT)

    def answers(self) -> list[Any]:
        """Return what went out of each thread, in order: thread, callback, words."""
        return self.login.execute(
            "select conversation_id::text, conversation_id || '/' || id, content"
            "  from chat.messages where source = 'bot' order by conversation_id, seq"
        ).fetchall()

    def close(self) -> None:
        """End it."""
        self.service.close()
        self.login.close()


@pytest.fixture
def shop(dsn: str) -> Iterator[Shop]:
    shop = Shop(dsn)
    yield shop
    shop.close()


def test_workers_killed_at_random_answer_every_contact_and_send_each_answer_once(
    serve: Callable[..., list[Server]], shop: Shop
) -> None:
    with FakeProvider().serving() as provider:
        (receiver,) = serve(
            "receiver", PARLEY_WHATSAPP_APP_SECRET=WHATSAPP_SECRET, PARLEY_RUNS_AT_ONCE="0"
        )
        provider.webhooks = receiver.url
        servers = serve(
            "one",
            "other",
            PARLEY_RESPONDER=CHATTERBOX,
            PARLEY_WHATSAPP_ACCESS_TOKEN="token",
            PARLEY_WHATSAPP_API_BASE=f"{provider.url}/v23.0",
        )
        done = threading.Event()

        def kill() -> None:
            whims = Random("kills")
            for _ in range(KILLS):
                done.wait(whims.uniform(0.3, 1.0))
                server = whims.choice(servers)
                server.kill()
                server.start()

        with ThreadPoolExecutor(1) as killer:
            killing = killer.submit(kill)
            random = Random("questions")
            asked = [f"{contact} {n}" for n in range(EACH) for contact in range(CONTACTS)]
            for question in asked:
                shop.asks(int(question.split()[0]), question)
                done.wait(random.uniform(0.0, 0.1))
            killing.result()

        while before := shop.left():
            wait_for(lambda n=before: shop.left() != n, f"one of {before} to settle")  # type: ignore[misc]
        assert shop.count(OPEN) == 0
        assert shop.count("select max(attempts) from chat.runs") > 1
        answers = shop.answers()
        whole = {"".join(bots.chatter(question)) for question in asked}
        assert {content for _, _, content in answers} <= whole
        assert provider.counts == {callback: 1 for _, callback, _ in answers}
        for thread in {thread for thread, _, _ in answers}:
            sent = [str(one.callback) for one in provider.taken]
            assert [one for one in sent if one.startswith(thread)] == [
                callback for of, callback, _ in answers if of == thread
            ]
        assert violations(shop.service) == []
