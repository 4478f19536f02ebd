import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.providers.payloads import NOW, Json
from thin_api.providers import Request, Unreadable
from thin_api.providers.twilio import Twilio

PROVIDER = Twilio("the auth token", "https://chat.example.org/")
PATH = "/webhooks/twilio"
SID = "SM" + "0" * 32

INBOUND = {
    "MessageSid": SID,
    "SmsSid": SID,
    "SmsStatus": "received",
    "AccountSid": "AC" + "0" * 32,
    "From": "whatsapp:+972546543210",
    "To": "whatsapp:+14155238886",
    "Body": "Hello",
    "NumMedia": "0",
    "ProfileName": "Ada",
    "WaId": "972546543210",
    "MessageType": "text",
}
STATUS = {
    "MessageSid": SID,
    "MessageStatus": "delivered",
    "From": "whatsapp:+14155238886",
    "To": "whatsapp:+972546543210",
}


def parse(fields: Any, query: str = "") -> list[Json]:
    """Read a form."""
    path = f"{PATH}?{query}" if query else PATH
    request = Request(urlencode(fields).encode(), {}, path)
    return list(PROVIDER.parse(PROVIDER.payload(request), NOW))


def inbound(**fields: str) -> Json:
    """Read a message."""
    (event,) = parse({**INBOUND, **fields})
    return event


def status(query: str = "", **fields: str) -> list[Json]:
    """Read a status."""
    return parse({**STATUS, **fields}, query)


def test_a_message_is_told_like_any_other_providers() -> None:
    assert inbound() == {
        "kind": "message",
        "address": "whatsapp:+14155238886",
        "address_name": "+14155238886",
        "id": SID,
        "at": NOW.isoformat(),
        "contact": {"phone": "+972546543210", "wa_id": "972546543210"},
        "name": "Ada",
        "type": "text",
        "content": "Hello",
        "metadata": {},
    }


def test_a_message_by_sms_is_somebodys_by_phone_only() -> None:
    fields = {**INBOUND, "From": "+972546543210", "To": "+14155238886"}
    del fields["WaId"]
    (event,) = parse(fields)
    assert (event["address"], event["contact"]) == ("+14155238886", {"phone": "+972546543210"})


def test_an_id_of_another_network_is_nobodys_phone() -> None:
    fields = {**INBOUND, "From": "messenger:972546543210", "To": "messenger:1014155238886"}
    del fields["WaId"]
    assert parse(fields) == []


def test_somebody_without_a_number_is_known_by_their_user_id() -> None:
    event = inbound(From="whatsapp:US.13491208655302741918", WaId="")
    assert event["contact"] == {"bsuid": "US.13491208655302741918"}


@pytest.mark.parametrize(
    ("told", "media", "kind"),
    [
        ("image", "image/jpeg", "image"),
        ("sticker", "image/webp", "sticker"),
        ("text", "image/jpeg", "image"),
        ("text", "video/mp4", "video"),
        ("text", "audio/ogg", "audio"),
        ("text", "application/pdf", "document"),
        ("contacts", "text/vcard", "contacts"),
        ("text", "text/x-vcard", "contacts"),
    ],
)
def test_media_has_a_type_and_where_it_lies(told: str, media: str, kind: str) -> None:
    event = inbound(
        MessageType=told, Body="", NumMedia="1", MediaUrl0="https://m/0", MediaContentType0=media
    )
    assert (event["type"], event.get("content")) == (kind, None)
    assert event["metadata"] == {kind: {"url": "https://m/0", "mime_type": media}}


def test_all_files_of_a_message_are_told() -> None:
    event = inbound(
        **{f"MediaUrl{n}": f"https://m/{n}" for n in range(3)},
        **{f"MediaContentType{n}": "image/png" for n in range(3)},
    )
    assert event["content"] == "Hello"
    image = event["metadata"]["image"]
    urls = [image["url"], *(file["url"] for file in image["more"])]
    assert urls == ["https://m/0", "https://m/1", "https://m/2"]


def test_places_buttons_and_choices_say_what_was_chosen() -> None:
    place = inbound(Latitude="37.4", Longitude="-122.2", Label="HQ", Address="1 Way", Body="")
    button = inbound(MessageType="button", ButtonText="Yes", ButtonPayload="yes", Body="Yes")
    choice = inbound(MessageType="interactive", ListId="1", ListTitle="First", Body="x")
    assert (place["type"], place["content"]) == ("location", "HQ, 1 Way")
    assert place["metadata"]["location"]["Latitude"] == "37.4"
    assert (button["type"], button["content"]) == ("button", "Yes")
    assert button["metadata"] == {"button": {"ButtonText": "Yes", "ButtonPayload": "yes"}}
    assert (choice["type"], choice["content"]) == ("interactive", "First")


def test_a_reply_and_what_was_forwarded_say_so() -> None:
    event = inbound(OriginalRepliedMessageSid="SM1", Forwarded="true", ReferralSourceId="AD")
    assert event["reply_to"] == "SM1"
    assert event["metadata"] == {
        "context": {"Forwarded": "true"},
        "referral": {"ReferralSourceId": "AD"},
    }


@pytest.mark.parametrize("fields", [{"MessageType": "poll"}, {"Body": ""}, {"Body": " "}])
def test_what_we_do_not_know_is_unsupported_and_kept(fields: dict[str, str]) -> None:
    event = inbound(**fields)
    assert event["type"] == "unsupported"
    assert event["metadata"] == {"original": {**INBOUND, **fields}}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("sent", "sent"),
        ("delivered", "delivered"),
        ("read", "read"),
        ("failed", "failed"),
        ("undelivered", "failed"),
    ],
)
def test_statuses_are_those_of_every_provider(said: str, meant: str) -> None:
    (event,) = status(MessageStatus=said)
    assert (event["kind"], event["target"], event["status"]) == ("status", SID, meant)
    assert event["address"] == "whatsapp:+14155238886"


def test_an_event_of_reading_is_a_status() -> None:
    (event,) = status(MessageStatus="delivered", EventType="READ")
    assert event["status"] == "read"


@pytest.mark.parametrize("said", ["accepted", "queued", "sending", "scheduled", "new"])
def test_what_happens_at_twilio_itself_makes_no_event(said: str) -> None:
    assert status(MessageStatus=said) == []


def test_a_status_brings_back_what_its_address_said_and_what_went_wrong() -> None:
    (event,) = status(
        "callback=c1%2Fm1", MessageStatus="failed", ErrorCode="63016", ChannelStatusMessage="Late"
    )
    assert event["callback"] == "c1/m1"
    assert event["error"] == {"code": 63016, "details": "Late"}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Body": "Hello"},
        {"MessageSid": SID},
        {"MessageSid": SID, "MessageStatus": "read"},
        {"MessageSid": SID, "From": "", "To": "+1"},
    ],
)
def test_what_names_no_message_number_or_sender_is_only_kept(fields: dict[str, str]) -> None:
    assert parse(fields) == []


def test_nul_is_replaced() -> None:
    assert inbound(Body="a\0b")["content"] == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("body", [b"Body=%ff", b"\xff", b"Body=\0", b"&".join([b"a=1"] * 2000)])
def test_what_is_no_form_is_unreadable(body: bytes) -> None:
    request = Request(body, {}, PATH)
    with pytest.raises(Unreadable):
        PROVIDER.parse(PROVIDER.payload(request), NOW)
    assert not PROVIDER.verify(request)


def test_the_signature_is_the_one_twilio_makes() -> None:
    # Twilio's own example, from its documentation of request validation.
    provider = Twilio("12345", "https://mycompany.com")
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    given = {b"x-twilio-signature": b"RSOYDt4T1cUTdK1PDd93/VVr8B8="}
    body = urlencode(fields).encode()
    path = "/myapp.php?foo=1&bar=2"
    assert provider.verify(Request(body, given, path))
    assert not provider.verify(Request(body + b"&Digits=2", given, path))
    assert not provider.verify(Request(body, given, "/myapp.php?foo=1&bar=3"))
    assert not provider.verify(Request(body, {b"x-twilio-signature": b"\xff"}, path))
    assert not provider.verify(Request(body, {}, path))
    assert not Twilio("12345", "http://mycompany.com").verify(Request(body, given, path))


def test_without_a_token_or_an_address_nothing_is_believed() -> None:
    body = urlencode(INBOUND).encode()
    pairs = "".join(name + INBOUND[name] for name in sorted(INBOUND))
    for token, base in ((None, "https://a"), ("", "https://a"), ("token", None), ("token", "")):
        signed = f"{base or ''}{PATH}{pairs}".encode()
        digest = hmac.digest((token or "").encode(), signed, hashlib.sha1)
        given = {b"x-twilio-signature": base64.b64encode(digest)}
        assert not Twilio(token, base).verify(Request(body, given, PATH))
