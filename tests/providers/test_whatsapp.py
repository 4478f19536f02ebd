import copy
import hashlib
import hmac
import itertools
import json
import random
from typing import Any

import pytest

from tests.providers.payloads import (
    AT,
    KNOWN_BY,
    METADATA,
    NOW,
    PERSON,
    SECONDS,
    Json,
    fixtures,
    message,
    value,
    webhook,
    without_phone,
)
from thin_api.providers import Request, Unreadable
from thin_api.providers.whatsapp import WhatsApp

PROVIDER = WhatsApp("the app's secret")
FIXTURES = fixtures()

# What each fixture that is a conversation's business says: kind, and type, status or event.
SAYS = {
    "call_connect/user_initiated": ("message", "call", None),
    "call_permission_update/accept": ("message", "interactive", "accept"),
    "call_permission_update/reject": ("message", "interactive", "reject"),
    "callback_button/button": ("message", "interactive", "title"),
    "callback_button/quick_reply": ("message", "button", "title"),
    "callback_button/quick_reply_without_context": ("message", "button", "title"),
    "callback_selection/callback": ("message", "interactive", "title"),
    "callback_selection/description": ("message", "interactive", "title"),
    "deleted_message/revoke": ("revoke", None, None),
    "edited_message/image": ("edit", "image", "Updated image caption"),
    "flow_completion/completion": ("message", "interactive", "Sent"),
    "flow_completion/without_flow_token": ("message", "interactive", "Sent"),
    "message/animated_sticker": ("message", "sticker", None),
    "message/audio": ("message", "audio", None),
    "message/chosen_location": (
        "message",
        "location",
        "Facebook HQ, 1 Hacker Way, Menlo Park, CA 94025",
    ),
    "message/contacts": ("message", "contacts", "Chandler Bing, Monica, Rachel Green"),
    "message/current_location": ("message", "location", None),
    "message/document": ("message", "document", "caption"),
    "message/forwarded": ("message", "text", "forwarded text"),
    "message/forwarded_many_times": ("message", "text", "text forwarded many times"),
    "message/image": ("message", "image", None),
    "message/interactive_message_with_err": ("message", "unsupported", None),
    "message/media_with_url": ("message", "image", None),
    "message/order": ("message", "order", None),
    "message/reaction": ("reaction", None, None),
    "message/referral": ("message", "text", "BODY"),
    "message/reply": ("message", "text", "replied text"),
    "message/static_sticker": ("message", "sticker", None),
    "message/text": ("message", "text", "Body Text"),
    "message/unreaction_empty": ("reaction", None, None),
    "message/unreaction_no_emoji": ("reaction", None, None),
    "message/unsupported": ("message", "unsupported", None),
    "message/unsupported_with_type": ("message", "unsupported", None),
    "message/video": ("message", "video", "caption"),
    "message/voice": ("message", "audio", None),
    "message_status/delivered": ("status", "delivered", None),
    "message_status/failed": ("status", "failed", None),
    "message_status/group": ("status", "read", None),
    "message_status/played": ("status", "played", None),
    "message_status/read": ("status", "read", None),
    "message_status/sent": ("status", "sent", None),
    "message_status/with_tracker": ("status", "sent", None),
    "outgoing_message/delete": ("revoke", None, None),
    "outgoing_message/edit": ("edit", "text", "Text was edited"),
    "outgoing_message/text": ("echo", "text", "Test message"),
    "system/identity_change": ("system", "contact_identity_changed", "User identity changed"),
    "system/phone_number_change": (
        "system",
        "contact_number_changed",
        "User A changed from 972987654321 to 972912345678",
    ),
}


def parse(payload: Any) -> list[Json]:
    """Read a payload."""
    return list(PROVIDER.parse(json.dumps(payload), NOW))


def one(payload: Any) -> Json:
    """Read a payload that makes one event."""
    (event,) = parse(payload)
    return event


@pytest.mark.parametrize("name", SAYS)
def test_every_fixture_of_a_conversation_makes_its_event(name: str) -> None:
    event = one(FIXTURES[name])
    detail = event.get("type") or event.get("status") or event.get("event")
    assert (event["kind"], detail, event.get("content")) == SAYS[name]


@pytest.mark.parametrize("name", sorted(FIXTURES.keys() - SAYS.keys()))
def test_what_is_not_a_conversations_business_makes_no_event(name: str) -> None:
    assert parse(FIXTURES[name]) == []


@pytest.mark.parametrize("name", sorted(SAYS.keys() - {"message_status/group"}))
def test_every_fixture_leads_to_its_contact(name: str) -> None:
    contact = one(FIXTURES[name])["contact"]
    assert contact["wa_id"] == "972987654321"
    assert name.startswith("system/") or contact["bsuid"] == KNOWN_BY["bsuid"]


def test_an_event_names_our_number_its_own_id_time_and_who() -> None:
    assert one(FIXTURES["message/text"]) == {
        "kind": "message",
        "address": "1122334455667",
        "address_name": "972123456789",
        "id": "wamid.xyzxyz",
        "at": AT,
        "contact": KNOWN_BY,
        "name": "Test Name",
        "type": "text",
        "content": "Body Text",
        "metadata": {},
    }


@pytest.mark.parametrize("name", ["image", "video", "audio", "document", "contacts", "order"])
def test_what_is_not_text_is_kept_as_it_came(name: str) -> None:
    (said,) = FIXTURES[f"message/{name}"]["entry"][0]["changes"][0]["value"]["messages"]
    assert one(FIXTURES[f"message/{name}"])["metadata"][name] == said[name]


def test_a_reply_names_what_it_answers_and_a_forwarded_message_says_so() -> None:
    reply = one(FIXTURES["message/reply"])
    assert (reply["reply_to"], reply["metadata"]) == ("wamid.xyzxyz==", {})
    forwarded = one(FIXTURES["message/forwarded"])
    assert "reply_to" not in forwarded
    assert forwarded["metadata"] == {"context": {"forwarded": True}}


def test_an_advertisement_that_led_here_is_kept() -> None:
    assert one(FIXTURES["message/referral"])["metadata"]["referral"]["source_id"] == "ADID"


def test_a_reaction_names_message_and_emoji_and_its_removal_has_none() -> None:
    given, *taken = (
        one(FIXTURES[f"message/{name}"])
        for name in ("reaction", "unreaction_empty", "unreaction_no_emoji")
    )
    assert (given["target"], given["emoji"], given["by"]) == ("wamid.yzxyzx=", "😮", "contact")
    assert [(event["target"], event["emoji"]) for event in taken] == [("wamid.yzxyzx=", None)] * 2


def test_edits_and_revocations_name_the_message_and_who_made_them() -> None:
    edit, revoke = one(FIXTURES["edited_message/image"]), one(FIXTURES["deleted_message/revoke"])
    assert edit["target"].startswith("wamid.HBgLMTQx")
    assert edit["metadata"]["image"]["url"] == "https://media.example.com/updated-image.jpg"
    assert revoke["target"] == "<ORIGINAL_WHATSAPP_MESSAGE_ID>"
    assert (edit["by"], revoke["by"]) == ("contact", "contact")
    names = ("outgoing_message/edit", "outgoing_message/delete")
    ours = [one(FIXTURES[name]) for name in names]
    assert {(event["by"], event["target"]) for event in ours} == {("business", "wamid.zzzzzz")}


def test_a_status_names_its_message_what_we_sent_along_and_what_went_wrong() -> None:
    tracked = one(FIXTURES["message_status/with_tracker"])
    assert (tracked["target"], tracked["callback"]) == ("wamid.xyzxyz", "some data")
    failed = one(FIXTURES["message_status/failed"])
    assert (failed["error"]["code"], failed["error"].keys()) == (
        130472,
        {"code", "title", "message", "details"},
    )


def test_statuses_of_a_group_are_nobodys() -> None:
    assert one(FIXTURES["message_status/group"])["contact"] == {}


def test_a_status_we_do_not_know_makes_no_event() -> None:
    status = {"id": "wamid.1", "status": "warning", "timestamp": SECONDS}
    assert parse(webhook(value(statuses=[status]))) == []


def test_a_call_is_told_without_the_session_it_negotiates() -> None:
    event = one(FIXTURES["call_connect/user_initiated"])
    assert event["metadata"]["call"]["direction"] == "USER_INITIATED"
    assert "session" not in event["metadata"]["call"]


def test_a_change_of_number_names_the_old_and_the_new_one() -> None:
    event = one(FIXTURES["system/phone_number_change"])
    assert event["contact"] == {"phone": "+972987654321", "wa_id": "972987654321"}
    assert event["new"] == {"phone": "+972912345678", "wa_id": "972912345678"}


def test_a_change_of_user_id_is_read_from_its_sentence_if_no_number_is_told() -> None:
    system = {
        "type": "user_changed_user_id",
        "user_id": "US.2",
        "body": "User Ada changed from US.1 to US.2",
    }
    said = {"id": "wamid.1", "timestamp": SECONDS, "type": "system", "system": system}
    event = one(webhook({"metadata": METADATA, "messages": [said]}))
    assert (event["event"], event["contact"], event["new"]) == (
        "contact_identity_changed",
        {"bsuid": "US.1"},
        {"bsuid": "US.2"},
    )
    system["previous_user_id"] = "US.0"
    assert one(webhook({"metadata": METADATA, "messages": [said]}))["contact"] == {"bsuid": "US.0"}


def test_a_system_message_we_do_not_know_is_shown_as_unsupported() -> None:
    said = message(type="system", system={"type": "new_thing", "body": "Something"})
    event = one(webhook(value(messages=[said])))
    assert (event["kind"], event["type"]) == ("message", "unsupported")
    assert event["metadata"] == {"original": said}


@pytest.mark.parametrize("name", ["message/text", "message/image", "callback_button/button"])
def test_somebody_without_a_number_is_known_by_their_user_id(name: str) -> None:
    event = one(without_phone(FIXTURES[name]))
    assert event["contact"] == {name: KNOWN_BY[name] for name in ("bsuid", "parent_bsuid")}
    assert event["name"] == "@testname"


def test_a_message_is_somebodys_even_if_no_contact_is_told() -> None:
    said = message(from_user_id="US.5")
    event = one(webhook({"metadata": METADATA, "messages": [said]}))
    assert event["contact"] == {"phone": "+972987654321", "wa_id": "972987654321", "bsuid": "US.5"}


def test_each_message_of_many_is_of_the_contact_it_names() -> None:
    others = {"profile": {"name": "Other"}, "wa_id": "16505551234", "user_id": "US.6"}
    said = [
        message(id="wamid.1"),
        message(id="wamid.2", **{"from": "16505551234"}),
        message(id="wamid.3", **{"from": "447911123456"}),
    ]
    events = parse(webhook(value(contacts=[PERSON, others], messages=said)))
    assert [event.get("name") for event in events] == ["Test Name", "Other", None]
    assert [event["contact"].get("bsuid") for event in events] == [
        KNOWN_BY["bsuid"],
        "US.6",
        None,
    ]


def test_an_old_brazilian_id_is_kept_and_its_number_renewed() -> None:
    person = {"wa_id": "551692318222", "user_id": "BR.1"}
    said = message(**{"from": "5516992318222"})
    event = one(webhook(value(contacts=[person], messages=[said])))
    assert event["contact"] == {
        "phone": "+5516992318222",
        "wa_id": "551692318222",
        "bsuid": "BR.1",
    }


def test_a_message_in_a_group_says_which() -> None:
    event = one(webhook(value(messages=[message(group_id="G1")])))
    assert (event["contact"], event["metadata"]) == (KNOWN_BY, {"group_id": "G1"})


def test_in_a_group_answers_and_reactions_do_not_make_one_contact_of_two() -> None:
    answer = message(group_id="G1", context={"id": "wamid.0", "from": "16505551234"})
    assert "reply_to" not in one(webhook(value(messages=[answer])))
    reaction = {"message_id": "wamid.0", "emoji": "👍"}
    reacts = message(type="reaction", reaction=reaction, group_id="G1")
    event = one(webhook(value(messages=[reacts])))
    assert (event["kind"], event["type"], "target" in event) == ("message", "unsupported", False)
    assert event["metadata"]["original"]["reaction"] == reaction


def test_everything_of_a_batch_is_read() -> None:
    numbers = itertools.count()
    payload = webhook()
    payload["entry"] = [
        {
            "id": "1",
            "changes": [
                {
                    "field": "messages",
                    "value": value(
                        messages=[message(id=f"wamid.{next(numbers)}") for _ in range(3)],
                        statuses=[
                            {"id": f"wamid.{next(numbers)}", "status": "read"} for _ in range(2)
                        ],
                        message_echoes=[message(id=f"wamid.{next(numbers)}", to="972987654321")],
                    ),
                }
                for _ in range(2)
            ],
        }
        for _ in range(2)
    ]
    events = parse(payload)
    told = {event.get("target") or event["id"] for event in events}
    assert told == {f"wamid.{number}" for number in range(next(numbers))}
    assert len(events) == len(told) == 24


@pytest.mark.parametrize("kind", ["poll", "", None, 7, ["text"], {"text": 1}, "reaction", "edit"])
def test_a_message_of_an_unknown_type_is_unsupported_and_kept_word_for_word(kind: Any) -> None:
    said = message(type=kind)
    event = one(webhook(value(messages=[said])))
    assert (event["kind"], event["type"], event.get("content")) == (
        "message",
        "unsupported",
        None,
    )
    assert event["metadata"] == {"original": said}


@pytest.mark.parametrize("body", [None, 7, "Hello", [], {"body": 7}, {"body": ""}, {"body": " "}])
def test_text_that_is_none_is_unsupported(body: Any) -> None:
    assert one(webhook(value(messages=[message(text=body)])))["type"] == "unsupported"


@pytest.mark.parametrize(
    "timestamp", [None, "", "soon", "-1", "9" * 30, [], {}, 1e300, "99999999999"]
)
def test_a_time_that_cannot_be_is_the_time_of_receipt(timestamp: Any) -> None:
    event = one(webhook(value(messages=[message(timestamp=timestamp)])))
    assert event["at"] == NOW.isoformat()


@pytest.mark.parametrize(
    "payload",
    [
        None,
        7,
        "text",
        [],
        {},
        {"entry": None},
        {"entry": [None, 7, "x", {}, {"changes": 5}, {"changes": [None, {"value": []}]}]},
        webhook(None),  # type: ignore[arg-type]
        webhook(value(metadata=None, messages=[message()])),
        webhook(value(messages={"0": message()})),
        webhook(value(messages=[message(id=None)])),
        webhook({"metadata": METADATA, "messages": [{"id": "wamid.1", "type": "text"}]}),
    ],
)
def test_what_names_no_message_number_or_sender_is_only_kept(payload: Any) -> None:
    assert parse(payload) == []


def test_whatever_is_wrong_somewhere_is_no_exception() -> None:
    rubbish: list[Any] = [
        None,
        True,
        -7,
        1.5,
        "",
        "x",
        [],
        [1],
        [[]],
        {},
        {"a": None},
        [{}],
        "\x00\ud800",
    ]
    chance = random.Random(4)
    for name, payload in FIXTURES.items():
        for _ in range(150):
            broken = copy.deepcopy(payload)
            places = list(_places(broken))
            for parent, key in chance.sample(places, chance.randint(1, 3)):
                parent[key] = chance.choice(rubbish)
            for event in parse(broken):
                written = json.dumps(event)
                assert "\\u0000" not in written, name
                assert "\\ud800" not in written, name
                assert all(isinstance(event[part], str) for part in ("kind", "address", "at"))
                assert event["kind"] == "status" or event["contact"]


def _places(parent: Any) -> Any:
    """Yield every place of a document, as what holds it and its key there."""
    keys = parent.keys() if isinstance(parent, dict) else range(len(parent))
    for key in keys:
        yield parent, key
        if isinstance(parent[key], dict | list):
            yield from _places(parent[key])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"a\u0000b", "a\ufffdb"),
        (r"a\\u0000b", r"a\u0000b"),
        (r"a\\\u0000b", "a\\\ufffdb"),
        (r"a\ud83db", "a\ufffdb"),
        (r"\ude00", "\ufffd"),
        (r"\ud83d\ude2e", "😮"),
        (r"\u0000\u0000", "\ufffd\ufffd"),
    ],
)
def test_what_postgresql_cannot_store_is_replaced(written: str, read: str) -> None:
    payload = json.dumps(webhook(value(messages=[message(text={"body": "HERE"})])))
    (event,) = PROVIDER.parse(payload.replace("HERE", written), NOW)
    assert event["content"] == read


@pytest.mark.parametrize("payload", ["", "{", "nonsense", "{'a': 1}", "NaN", "[" * 100_000])
def test_what_is_not_json_is_unreadable(payload: str) -> None:
    with pytest.raises(Unreadable):
        PROVIDER.parse(payload, NOW)


def test_bytes_that_are_no_text_are_unreadable() -> None:
    with pytest.raises(Unreadable):
        PROVIDER.payload(Request(b'{"a": "\xff"}', {}, "/"))


def _signed(body: bytes, secret: str = "the app's secret") -> bytes:
    return b"sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()


def test_a_signature_holds_for_the_body_as_it_came() -> None:
    body = b'{"entry": [] }'
    header = b"x-hub-signature-256"
    assert PROVIDER.verify(Request(body, {header: _signed(body)}, "/"))
    for wrong in (
        {},
        {header: b""},
        {header: b"sha256="},
        {header: _signed(body)[7:]},
        {header: _signed(body, "another secret")},
        {header: _signed(b'{"entry":[]}')},
        {header: b"sha256=\xff\xfe"},
        {b"x-hub-signature": _signed(body)},
    ):
        assert not PROVIDER.verify(Request(body, wrong, "/"))


def test_without_a_secret_nothing_is_believed() -> None:
    body = b"{}"
    assert not WhatsApp(None).verify(
        Request(body, {b"x-hub-signature-256": _signed(body, "")}, "/")
    )
