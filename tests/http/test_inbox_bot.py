"""What a contact asks by webhook the bot answers, out by the provider, until a person speaks."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest

from tests.bots import PUPPET, next_talk
from tests.fake_provider import WHATSAPP_SECRET, FakeProvider
from tests.http.support import Site, serving, settings_for
from tests.http.test_webhooks import take
from tests.providers.payloads import METADATA, message, value, webhook
from tests.support import (
    Connection,
    Json,
    connect,
    new_channel,
    new_tenant,
    new_user,
    succeed,
    violations,
    wait_for,
)

NUMBER = "+972987654321"


@dataclass
class Shop:
    """A business on WhatsApp: a bot, and Ann, who looks in now and then."""

    dsn: str
    provider: FakeProvider
    service: Connection
    login: Connection
    ann: str
    tenant_id: str

    def serving(self, **changes: Any) -> Any:
        """Run a server; it answers with the rules that are shipped unless told otherwise."""
        return serving(
            settings_for(
                self.dsn,
                whatsapp_access_token="token",
                whatsapp_api_base=f"{self.provider.url}/v23.0",
                whatsapp_app_secret=WHATSAPP_SECRET,
                **changes,
            )
        )

    def thread(self) -> Json:
        """Show Ann the thread with the contact."""
        found: Json = succeed(self.service, "get_thread", thread=NUMBER, actor_id=self.ann)[
            "thread"
        ]
        return found

    def says(self, client: httpx.Client, content: str, **more: Any) -> None:
        """Let Ann write."""
        answer = client.post(
            f"/api/crm/threads/{self.thread()['conversation_id']}/messages",
            json={"content": content, **more},
        )
        assert answer.status_code == 201, answer.text

    def gone_out(self, number: int) -> list[str]:
        """Wait until the network has taken so many messages; what they say."""
        wait_for(lambda: len(self.provider.taken) >= number, f"message {number} to go out")
        return [one.body["text"]["body"] for one in self.provider.taken]

    def run(self, status: str) -> Json:
        """Wait until the newest run has come so far; the run."""

        def newest() -> Json | None:
            row = self.login.execute(
                "select to_jsonb(r) from chat.runs r order by r.run_id desc limit 1"
            ).fetchone()
            return row[0] if row and row[0]["status"] == status else None

        found: Json = wait_for(newest, f"a run to be {status}")
        return found


@pytest.fixture
def shop(fresh_database: str) -> Iterator[Shop]:
    with (
        FakeProvider().serving() as provider,
        connect(fresh_database) as service,
        connect(fresh_database, None) as login,
    ):
        tenant_id = new_tenant(service)
        bot = new_user(service, "Robot", tenant_id=tenant_id, kind="bot")
        new_channel(service, tenant_id, address=METADATA["phone_number_id"], responder_id=bot)
        ann = new_user(service, "Ann", tenant_id=tenant_id)
        yield Shop(fresh_database, provider, service, login, ann, tenant_id)
        assert violations(service) == []


_numbers = count()


def asks(site: Site, content: str) -> str:
    """Let the contact's webhook come; the provider's id of the message."""
    now = str(int(datetime.datetime.now(datetime.UTC).timestamp()))
    said = message(id=f"wamid.in.{next(_numbers)}", timestamp=now, text={"body": content})
    take(site, webhook(value(messages=[{**said, "type": "text"}])))
    name: str = said["id"]
    return name


def test_bot_automation_and_person_answer_in_one_thread(shop: Shop) -> None:
    with shop.serving() as site, site.user(shop.ann) as as_ann:
        shop.provider.webhooks = site.url
        name = asks(site, "hello")
        assert shop.gone_out(1) == ["Hello Test Name! What can I do for you?"]
        (taken,) = shop.provider.taken
        assert taken.body["to"] == "972987654321"
        assert taken.body["context"] == {"message_id": name}

        with site.service(shop.ann) as automation:
            shop.says(automation, "20 % off today", source="automation")
        asks(site, "thanks")
        assert shop.gone_out(3)[1:] == ["20 % off today", "You are welcome, Test Name."]

        shop.says(as_ann, "Ann here. May I help?")
        asks(site, "hello Ann")
        shop.says(as_ann, "Hi!")
        assert shop.gone_out(5)[3:] == ["Ann here. May I help?", "Hi!"]
        assert shop.thread()["taken_over_at"] is not None

        page = as_ann.get(f"/api/crm/threads/{NUMBER}/messages").json()["messages"]
        assert [one["source"] for one in page] == [
            "contact",
            "bot",
            "automation",
            "contact",
            "bot",
            "person",
            "contact",
            "person",
        ]
        wait_for(
            lambda: (
                shop.login.execute(
                    "select bool_and(status = 'delivered') from chat.deliveries"
                ).fetchone()
                == (True,)
            ),
            "everything to be delivered",
        )


def test_who_speaks_while_the_bot_is_speaking_is_the_one_who_is_heard(shop: Shop) -> None:
    with shop.serving(responder=PUPPET) as site, site.user(shop.ann) as as_ann:
        asks(site, "are you open?")
        run = shop.run("in_progress")
        talk = next_talk(run["run_id"])
        talk.say("Until ")
        wait_for(
            lambda: shop.login.execute("select count(*) from chat.run_deltas").fetchone() == (1,),
            "the bot to have said something",
        )
        shop.says(as_ann, "We are.")
        talk.say("six.")
        talk.over.wait(10)
        assert talk.over.is_set()
        assert shop.run("cancelled")["answer_id"] is None
        assert shop.gone_out(1) == ["We are."]


def test_what_comes_while_the_bot_is_speaking_is_answered_next(shop: Shop) -> None:
    with shop.serving(responder=PUPPET) as site:
        asks(site, "are you open?")
        first = next_talk(shop.run("in_progress")["run_id"])
        asks(site, "hello?")
        asks(site, "anybody?")
        first.say("Until six.")
        first.end()
        assert shop.gone_out(1) == ["Until six."]
        second = next_talk(shop.run("in_progress")["run_id"])
        assert [one.content for one in second.request.messages] == [
            "are you open?",
            "hello?",
            "anybody?",
            "Until six.",
        ]
        assert second.request.question == "anybody?"
        second.say("I am a bot.")
        second.end()
        assert shop.gone_out(2) == ["Until six.", "I am a bot."]
