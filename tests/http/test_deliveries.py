"""What the desk says goes out, once, whatever the provider does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.fake_provider import (
    AWAY,
    BAD_TOKEN,
    THROTTLED,
    TWILIO_TOKEN,
    UNDELIVERABLE,
    WHATSAPP_SECRET,
    WINDOW_CLOSED,
    FakeProvider,
    Refusal,
)
from tests.http.support import Site, serving, settings_for
from tests.support import (
    Connection,
    Json,
    connect,
    new_channel,
    new_tenant,
    new_user,
    receive,
    violations,
    wait_for,
)


@dataclass
class Desk:
    """A thread with a contact, somebody who answers, and what became of it."""

    site: Site
    provider: FakeProvider
    service: Connection
    login: Connection
    channel: Json
    thread: str
    as_ann: httpx.Client

    def say(self, content: str | None = "hello", **more: Any) -> Json:
        """Send a message; the message."""
        answer = self.as_ann.post(
            f"/v1/conversations/{self.thread}/messages", json={"content": content, **more}
        )
        assert answer.status_code == 201, answer.text
        message: Json = answer.json()["message"]
        return message

    def delivery(self, message: Json) -> Json:
        """Return how it fares."""
        row = self.login.execute(
            "select to_jsonb(d) from chat.deliveries d where message_id = %s", [message["id"]]
        ).fetchone()
        assert row
        found: Json = row[0]
        return found

    def until(self, message: Json, *statuses: str) -> Json:
        """Wait until its delivery has come to one of these; the delivery."""
        wait_for(
            lambda: self.delivery(message)["status"] in statuses,
            f"{message['content']} to be {statuses}",
        )
        return self.delivery(message)

    def hasten(self) -> None:
        """Make everything due now, and have somebody look."""
        self.login.execute("update chat.deliveries set due_at = now() where status = 'queued'")
        receive(self.service, self.channel, "are you there?")


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider().serving() as provider:
        yield provider


@pytest.fixture
def open_desk(fresh_database: str, provider: FakeProvider) -> Iterator[Callable[..., Desk]]:
    """Open a desk by a channel of some provider; what must hold is checked when it closes."""
    settings = settings_for(
        fresh_database,
        whatsapp_access_token="token",
        whatsapp_api_base=f"{provider.url}/v23.0",
        whatsapp_app_secret=WHATSAPP_SECRET,
        twilio_account_sid="AC1",
        twilio_auth_token=TWILIO_TOKEN,
        twilio_api_base=provider.url,
        public_url="https://parley.example",
    )
    with (
        connect(fresh_database) as service,
        connect(fresh_database, None) as login,
        serving(settings) as site,
    ):
        provider.webhooks = site.url
        clients: list[httpx.Client] = []

        def enter(**channel: Any) -> Desk:
            tenant_id = new_tenant(service)
            made = new_channel(service, tenant_id, **channel)
            thread = receive(service, made, "hi")["conversation_id"]
            clients.append(site.user(new_user(service, "Ann", tenant_id=tenant_id)))
            return Desk(site, provider, service, login, made, thread, clients[-1])

        yield enter
        for client in clients:
            client.close()
        assert violations(service) == []


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk()


def test_an_answer_goes_out_and_what_becomes_of_it_comes_back(desk: Desk) -> None:
    message = desk.say()
    delivery = desk.until(message, "delivered")
    (taken,) = desk.provider.taken
    assert taken.body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "491701234567",
        "type": "text",
        "text": {"body": "hello", "preview_url": False},
        "biz_opaque_callback_data": f"{desk.thread}/{message['id']}",
    }
    request = desk.provider.requests[0]
    assert request.url.path == "/v23.0/1001/messages"
    assert request.headers["authorization"] == "Bearer token"
    assert (delivery["attempts"], delivery["error"]) == (1, None)


def test_what_is_said_in_a_row_goes_out_in_order(desk: Desk) -> None:
    said = [desk.say(str(number)) for number in range(12)]
    desk.until(said[-1], "delivered")
    assert [one.body["text"]["body"] for one in desk.provider.taken] == [
        str(number) for number in range(12)
    ]


def test_an_answer_names_what_it_answers(desk: Desk) -> None:
    first = desk.say("one")
    desk.until(first, "delivered")
    again = desk.say("two", reply_to_id=first["id"])
    desk.until(again, "delivered")
    assert desk.provider.taken[1].body["context"] == {"message_id": "wamid.1"}


def test_what_the_provider_knows_of_the_contact_is_learned(desk: Desk) -> None:
    desk.provider.answers = {"user_id": "DE.1", "wa_id": "4917012"}
    desk.until(desk.say(), "delivered")
    known = desk.login.execute(
        "select kind, value from chat.contact_identities order by 1"
    ).fetchall()
    assert known == [("bsuid", "DE.1"), ("phone", "+491701234567"), ("wa_id", "4917012")]


@pytest.mark.parametrize("way", [THROTTLED, AWAY, BAD_TOKEN, Refusal(500, 131000)])
def test_what_passes_is_tried_again(desk: Desk, way: Refusal) -> None:
    desk.provider.then(way)
    message = desk.say()
    wait_for(lambda: desk.delivery(message)["error"], "the first attempt to fail")
    assert desk.delivery(message)["status"] == "queued"
    desk.hasten()
    assert desk.until(message, "delivered")["attempts"] == 2
    assert len(desk.provider.taken) == 1


def test_a_provider_says_when_to_come_back(desk: Desk) -> None:
    desk.provider.then(Refusal(429, 130429, {"Retry-After": "600"}))
    message = desk.say()
    wait_for(lambda: desk.delivery(message)["error"], "the attempt to fail")
    (seconds,) = desk.login.execute(
        "select extract(epoch from due_at - now()) from chat.deliveries"
    ).fetchone() or (0,)
    assert 590 < seconds <= 600


@pytest.mark.parametrize(("way", "code"), [(UNDELIVERABLE, 131026), (WINDOW_CLOSED, 131047)])
def test_what_does_not_pass_has_failed(desk: Desk, way: Refusal, code: int) -> None:
    desk.provider.then(way)
    message = desk.say()
    error = desk.until(message, "failed")["error"]
    assert error == {"code": code, "title": "no", "details": "not now"}
    retried = desk.as_ann.post(
        "/rpc/retry_delivery_atomic",
        json={"p_conversation_id": desk.thread, "p_message_id": message["id"]},
    )
    assert retried.json()["delivery"]["status"] == "queued", retried.text
    desk.until(message, "delivered")
    assert len(desk.provider.taken) == 1


def test_a_lost_answer_is_settled_by_the_status(desk: Desk) -> None:
    desk.provider.then("cut_after")
    message = desk.say()
    assert desk.until(message, "delivered")["attempts"] == 1
    assert len(desk.provider.taken) == 1


def test_without_an_answer_it_stays_with_whom_it_was_until_the_lease_ends(desk: Desk) -> None:
    desk.login.execute("update chat.limits set delivery_lease = '3 seconds'")
    desk.provider.then("cut_before")
    message = desk.say()
    wait_for(lambda: desk.delivery(message)["error"], "the connection to break")
    delivery = desk.delivery(message)
    assert (delivery["status"], delivery["attempts"]) == ("queued", 1)
    assert delivery["lease"]
    assert desk.provider.taken == []
    assert desk.until(message, "delivered")["attempts"] == 2
    assert len(desk.provider.taken) == 1


def test_an_endless_wait_ends_within_the_lease(desk: Desk) -> None:
    desk.login.execute("update chat.limits set delivery_lease = '2 seconds'")
    desk.provider.tells = ()
    desk.provider.then("hang_after")
    message = desk.say()
    wait_for(lambda: desk.delivery(message)["error"], "the attempt to be given up")
    assert desk.delivery(message)["error"]["code"] == "no_answer"
    desk.provider.tell(desk.provider.taken[0], "read")
    assert desk.until(message, "read")["attempts"] == 1


def test_nobody_answering_at_all_is_tried_again(desk: Desk, provider: FakeProvider) -> None:
    desk.provider.then(*[AWAY] * 3)
    message = desk.say()
    for attempt in range(1, 4):
        wait_for(
            lambda n=attempt: (  # type: ignore[misc]
                desk.delivery(message)["attempts"] == n and desk.delivery(message)["lease"] is None
            ),
            f"attempt {attempt} to be over",
        )
        desk.hasten()
    assert desk.until(message, "delivered")["attempts"] == 4


@pytest.mark.parametrize(
    ("kind", "content", "metadata", "expected"),
    [
        ("image", "look", {"id": "9", "sha256": "x"}, {"id": "9", "caption": "look"}),
        ("document", None, {"link": "https://x/y.pdf"}, {"link": "https://x/y.pdf"}),
        ("template", None, {"name": "t", "language": {"code": "en"}}, None),
        ("location", None, {"latitude": 1.5, "longitude": 2}, None),
        ("contacts", None, [{"name": {"formatted_name": "A"}}], None),
        ("interactive", "pick", {"type": "button", "body": {"text": "pick"}}, None),
    ],
)
def test_other_types_are_made_of_their_metadata(
    desk: Desk, kind: str, content: str | None, metadata: Any, expected: Any
) -> None:
    desk.until(desk.say(content, type=kind, metadata={kind: metadata}), "delivered")
    (taken,) = desk.provider.taken
    assert (taken.body["type"], taken.body[kind]) == (kind, expected or metadata)


@pytest.mark.parametrize(
    ("kind", "code"), [("image", "content_missing"), ("poll", "unsupported_type")]
)
def test_what_the_network_cannot_carry_has_failed(desk: Desk, kind: str, code: str) -> None:
    message = desk.say("x", type=kind)
    assert desk.until(message, "failed")["error"]["code"] == code
    assert desk.provider.requests == []


def test_a_contact_without_a_number_is_named_by_their_id(desk: Desk) -> None:
    thread = receive(desk.service, desk.channel, "hi", {"bsuid": "US.1"})["conversation_id"]
    desk.thread = thread
    desk.until(desk.say(), "delivered")
    (taken,) = desk.provider.taken
    assert taken.body["recipient"] == "US.1"
    assert "to" not in taken.body


def test_twilio_is_only_another_form(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(provider="twilio", address="whatsapp:+4930123")
    message = desk.say()
    desk.until(message, "delivered")
    (taken,) = desk.provider.taken
    assert taken.body == {
        "From": "whatsapp:+4930123",
        "To": "whatsapp:+491701234567",
        "Body": "hello",
        "StatusCallback": "https://parley.example/webhooks/twilio"
        f"?callback={desk.thread}/{message['id']}",
    }
    assert desk.provider.requests[0].headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("way", "status"),
    [(Refusal(429, 20429), "queued"), (Refusal(400, 63016), "failed"), (Refusal(401), "queued")],
)
def test_twilios_refusals_have_their_own_codes(
    open_desk: Callable[..., Desk], way: Refusal, status: str
) -> None:
    desk = open_desk(provider="twilio", address="whatsapp:+4930123")
    desk.provider.then(way)
    message = desk.say()
    wait_for(lambda: desk.delivery(message)["error"], "the attempt to fail")
    delivery = desk.delivery(message)
    assert (delivery["status"], delivery["error"]["code"]) == (status, way.code or way.status)


def test_a_server_brings_what_is_under_way_to_its_end(
    fresh_database: str, provider: FakeProvider
) -> None:
    settings = settings_for(
        fresh_database, whatsapp_access_token="token", whatsapp_api_base=f"{provider.url}/v23.0"
    )
    with connect(fresh_database) as service, connect(fresh_database, None) as login:
        channel = new_channel(service, new_tenant(service))
        thread = receive(service, channel, "hi")
        tenant_id = login.execute("select tenant_id from chat.channels").fetchone()
        ann = new_user(service, "Ann", tenant_id=str(tenant_id[0] if tenant_id else ""))
        with serving(settings) as site, site.user(ann) as client:
            provider.slowness = 0.3
            path = f"/v1/conversations/{thread['conversation_id']}/messages"
            assert client.post(path, json={"content": "wait"}).is_success
            wait_for(lambda: provider.requests, "it to be under way")
        assert login.execute("select status from chat.deliveries").fetchall() == [("sent",)]


def test_figures_tell_of_attempts_and_the_log_of_no_content(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.until(desk.say("a secret between us"), "delivered")
    figures = httpx.get(f"{desk.site.url}/metrics").text
    assert 'parley_deliveries_total{outcome="sent",provider="whatsapp"}' in figures
    told = capsys.readouterr().out
    assert "secret" not in told
    assert "4917012" not in told
