"""WhatsApp's payloads: the fixtures of pywa (MIT, see their LICENSE), and ones written here."""

import copy
import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[1] / "fixtures" / "whatsapp"
NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)
AT = "2023-10-11T16:53:43+00:00"  # of SECONDS
SECONDS = "1697043223"

Json = dict[str, Any]

METADATA = {"display_phone_number": "972123456789", "phone_number_id": "1122334455667"}
PERSON = {
    "profile": {"name": "Test Name"},
    "wa_id": "972987654321",
    "user_id": "US.13491208655302741918",
    "parent_user_id": "US.ENT.11815799212886844830",
}
KNOWN_BY = {
    "phone": "+972987654321",
    "wa_id": "972987654321",
    "bsuid": "US.13491208655302741918",
    "parent_bsuid": "US.ENT.11815799212886844830",
}


def fixtures() -> dict[str, Json]:
    """Read every fixture, by file and name."""
    return {
        f"{path.stem}/{name}": payload
        for path in sorted(FIXTURES.glob("*.json"))
        for name, payload in _payloads(json.loads(path.read_text()))
    }


def _payloads(document: Json) -> Iterator[tuple[str, Json]]:
    for name, one in document.items():
        if "entry" in one:
            yield name, one
            if "all" in one:  # a fixture that has slipped into another one
                yield f"{name}/all", one["all"]


def webhook(*values: Json, field: str = "messages") -> Json:
    """Make a payload of one entry."""
    changes = [{"field": field, "value": value} for value in values]
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}


def value(**parts: Any) -> Json:
    """Make what one change is about."""
    return {"messaging_product": "whatsapp", "metadata": METADATA, "contacts": [PERSON], **parts}


def message(**parts: Any) -> Json:
    """Make a message, of text unless told otherwise."""
    one = {"from": "972987654321", "id": "wamid.1", "timestamp": SECONDS, "type": "text"}
    return {**one, "text": {"body": "Hello"}, **parts} if "type" not in parts else {**one, **parts}


def without_phone(payload: Json, bsuid: str = "US.13491208655302741918") -> Json:
    """Make a payload as it comes from somebody with a username: no number anywhere."""
    changed = copy.deepcopy(payload)
    for entry in changed["entry"]:
        for change in entry["changes"]:
            for person in change["value"].get("contacts", ()):
                person.pop("wa_id", None)
                person["user_id"] = bsuid
                person["profile"] = {"username": "@testname"}
            for one in change["value"].get("messages", ()):
                one.pop("from", None)
                one["from_user_id"] = bsuid
    return changed


def identified(name: str, payload: Json) -> Json:
    """Give a fixture a message id of its own, made of its name, on one channel for all."""
    changed = copy.deepcopy(payload)
    for entry in changed["entry"]:
        for change in entry["changes"]:
            told = change["value"]
            if "metadata" in told:
                told["metadata"] = METADATA
            for one in (
                *told.get("messages", ()),
                *told.get("message_echoes", ()),
                *told.get("calls", ()),
            ):
                one["id"] = name
            for one in told.get("statuses", ()):
                one["id"] = TARGETS.get(name, name)
            _aim(name, told)
    return changed


# Which message each fixture is about that is about another one.
TARGETS = {
    "message/reaction": "message/text",
    "message/unreaction_empty": "message/image",
    "message/unreaction_no_emoji": "message/video",
    "edited_message/image": "message/image",
    "deleted_message/revoke": "message/forwarded",
    "outgoing_message/edit": "outgoing_message/text",
    "outgoing_message/delete": "written/echo",
    "message/reply": "message/text",
    "callback_button/quick_reply": "outgoing_message/text",
    **{
        f"message_status/{status}": "outgoing_message/text"
        for status in ("sent", "delivered", "read", "played", "with_tracker", "group")
    },
    "message_status/failed": "written/echo",
}


def _aim(name: str, told: Json) -> None:
    target = TARGETS.get(name)
    for one in (*told.get("messages", ()), *told.get("message_echoes", ())):
        if "context" in one and "id" in one["context"] and target:
            one["context"]["id"] = target
        for kind, field in (
            ("reaction", "message_id"),
            ("edit", "original_message_id"),
            ("revoke", "original_message_id"),
        ):
            if kind in one and target:
                one[kind][field] = target


def conversation() -> dict[str, Json]:
    """Make one conversation of all fixtures, and of what they lack."""
    later = str(int(SECONDS) + 900)
    person = {"profile": {"name": "@nobody"}, "user_id": "US.777"}
    hidden = {"from_user_id": "US.777", "timestamp": SECONDS, "type": "text"}
    return {
        **{name: identified(name, payload) for name, payload in fixtures().items()},
        "written/echo": webhook(
            value(message_echoes=[message(id="written/echo", to="972987654321")]),
            field="smb_message_echoes",
        ),
        "written/reaction": webhook(
            value(
                messages=[
                    message(
                        id="written/reaction",
                        type="reaction",
                        reaction={"message_id": "message/video", "emoji": "\N{HEAVY BLACK HEART}"},
                    )
                ]
            )
        ),
        "written/edit": webhook(
            value(
                messages=[
                    message(
                        id="written/edit",
                        timestamp=later,
                        type="edit",
                        edit={
                            "original_message_id": "message/text",
                            "message": {"type": "text", "text": {"body": "Edited"}},
                        },
                    )
                ]
            )
        ),
        "written/hidden": webhook(
            value(
                contacts=[person],
                messages=[
                    {**hidden, "id": "written/hidden/1", "text": {"body": "No number"}},
                    {**hidden, "id": "written/hidden/2", "text": {"body": "Nor here"}},
                ],
            )
        ),
        "written/poll": webhook(
            value(messages=[message(id="written/poll", type="poll", poll={"a": "\x00"})])
        ),
    }
