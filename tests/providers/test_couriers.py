"""What goes out to each network, and what is made of its answers."""

import datetime
import email.utils
from typing import Any

import httpx
import pytest

from thin_api.providers.outgoing import LONGEST_WAIT, Courier, Undeliverable, wanted_pause
from thin_api.providers.twilio_courier import TwilioCourier
from thin_api.providers.whatsapp_courier import WhatsAppCourier

WHATSAPP = WhatsAppCourier("https://graph.example/v23.0/", "token")
TWILIO = TwilioCourier("https://twilio.example", "AC1", "token", "https://parley.example/")
BOTH = pytest.mark.parametrize("courier", [WHATSAPP, TWILIO], ids=["whatsapp", "twilio"])


def delivery(**more: Any) -> dict[str, Any]:
    """Make a claimed delivery."""
    return {
        "type": "text",
        "content": "hello",
        "metadata": {},
        "reply_to": None,
        "callback": "conversation/message",
        "contact": {"phone": "+491701234567"},
        "channel": {"address": "1001", "provider": "whatsapp"},
        **more,
    }


def outcome(courier: Courier, status: int, body: Any, **headers: str) -> Any:
    """Read an answer."""
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return courier.outcome(delivery(), httpx.Response(status, headers=headers, **content))


@BOTH
@pytest.mark.parametrize("status", [408, 502, 504])
def test_what_a_gateway_did_nobody_knows(courier: Courier, status: int) -> None:
    assert outcome(courier, status, b"<html>").kind == "unknown"


@BOTH
@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_what_passes_with_time_is_tried_again(courier: Courier, status: int) -> None:
    found = outcome(courier, status, b"<html>")
    assert (found.kind, found.error) == (
        "retry",
        {"code": status, "title": f"HTTP status {status}"},
    )
    assert found.is_our_fault is (status == 401)


@BOTH
@pytest.mark.parametrize("status", [400, 403, 404])
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"error": 1, "code": {}}', b"\xff"])
def test_a_refusal_that_says_nothing_is_one(courier: Courier, status: int, body: bytes) -> None:
    assert outcome(courier, status, body).kind == "failed"


@BOTH
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"messages": [], "sid": ""}', b'{"messages": [{"id": 1}]}']
)
def test_a_success_without_an_id_is_none(courier: Courier, body: bytes) -> None:
    assert outcome(courier, 200, body).kind == "unknown"


@pytest.mark.parametrize("code", [4, 80007, 130429, 131048, 131056, 131000, 131016, 190])
def test_whatsapps_codes_that_pass(code: int) -> None:
    found = outcome(WHATSAPP, 400, {"error": {"code": code, "message": "m"}})
    assert (found.kind, found.error) == ("retry", {"code": code, "title": "m"})
    assert found.is_our_fault is (code == 190)


@pytest.mark.parametrize("code", [100, 131026, 131047, 131051, 131062, 132000, 132016, 368])
def test_whatsapps_codes_that_stay(code: int) -> None:
    given = {"code": code, "message": "m", "error_data": {"details": "d" * 2000}}
    found = outcome(WHATSAPP, 400, {"error": given})
    assert (found.kind, found.error) == (
        "failed",
        {"code": code, "title": "m", "details": "d" * 1000},
    )


@pytest.mark.parametrize(
    ("code", "kind"), [(20429, "retry"), (63018, "retry"), (20003, "retry"), (63016, "failed")]
)
def test_twilios_codes(code: int, kind: str) -> None:
    found = outcome(TWILIO, 400, {"code": code, "message": "m"})
    assert (found.kind, found.error) == (kind, {"code": code, "title": "m"})
    assert found.is_our_fault is (code == 20003)


@pytest.mark.parametrize(
    ("contacts", "learned"),
    [
        ([{"input": "491701234567", "wa_id": "491701234567"}], {"wa_id": "491701234567"}),
        ([{"wa_id": "1", "user_id": "DE.1"}], {"wa_id": "1", "bsuid": "DE.1"}),
        ([], None),
        ([{"wa_id": None, "user_id": 5}], None),
        ("x", None),
    ],
)
def test_whatsapp_tells_by_what_it_knows_a_contact(contacts: Any, learned: Any) -> None:
    found = outcome(WHATSAPP, 200, {"messages": [{"id": "wamid.1"}], "contacts": contacts})
    assert (found.kind, found.provider_message_id, found.identities) == ("sent", "wamid.1", learned)


def test_what_is_known_is_not_learned_again() -> None:
    response = httpx.Response(
        200, json={"messages": [{"id": "wamid.1"}], "contacts": [{"wa_id": "4917"}]}
    )
    known = delivery(contact={"wa_id": "4917"})
    assert WHATSAPP.outcome(known, response).identities is None


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("7", 7.0), ("99999999", LONGEST_WAIT), ("soon", None), ("", None), ("-1", None)],
)
def test_a_pause_is_asked_for_in_seconds(written: str, seconds: float | None) -> None:
    assert wanted_pause(httpx.Response(429, headers={"Retry-After": written})) == seconds


@pytest.mark.parametrize(("ahead", "least", "most"), [(60, 50, 60), (-60, 0, 0)])
def test_a_pause_is_asked_for_by_a_date(ahead: int, least: float, most: float) -> None:
    date = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=ahead)
    written = email.utils.format_datetime(date, usegmt=True)
    pause = wanted_pause(httpx.Response(429, headers={"Retry-After": written}))
    assert pause is not None
    assert least <= pause <= most


@pytest.mark.parametrize(
    ("courier", "contact"), [(WHATSAPP, {}), (TWILIO, {}), (TWILIO, {"bsuid": "DE.1"})]
)
def test_who_cannot_be_named_cannot_be_reached(courier: Courier, contact: Any) -> None:
    with pytest.raises(Undeliverable) as raised:
        courier.request(delivery(contact=contact))
    assert raised.value.error["code"] == "no_address"


@pytest.mark.parametrize(
    ("kind", "content", "metadata", "expected"),
    [
        ("image", "look", {"link": "https://x/y"}, {"MediaUrl": "https://x/y", "Body": "look"}),
        ("video", None, {"link": "https://x/y"}, {"MediaUrl": "https://x/y"}),
        (
            "template",
            None,
            {"content_sid": "HX1", "content_variables": {"1": "a"}},
            {"ContentSid": "HX1", "ContentVariables": '{"1":"a"}'},
        ),
        (
            "location",
            None,
            {"latitude": 1, "longitude": 2, "name": "here"},
            {"Body": "here", "PersistentAction": "geo:1,2|here"},
        ),
    ],
)
def test_twilios_forms(kind: str, content: Any, metadata: Any, expected: Any) -> None:
    request = TWILIO.request(delivery(type=kind, content=content, metadata={kind: metadata}))
    form = dict(httpx.QueryParams(request.content.decode()))
    assert {name: form[name] for name in expected} == expected


@pytest.mark.parametrize("kind", ["sticker", "contacts", "interactive", "template", "image"])
def test_what_twilio_cannot_carry(kind: str) -> None:
    with pytest.raises(Undeliverable):
        TWILIO.request(delivery(type=kind, metadata={kind: {"x": 1}}))


def test_a_number_in_another_form_is_one_for_twilio() -> None:
    request = TWILIO.request(
        delivery(contact={"wa_id": "4917"}, channel={"address": "+4930", "provider": "twilio"})
    )
    assert dict(httpx.QueryParams(request.content.decode()))["To"] == "+4917"


def test_no_secret_is_shown() -> None:
    assert "token" not in repr(WHATSAPP)
    assert "token" not in repr(TWILIO)
