"""WhatsApp's Cloud API: its webhooks as neutral events."""

import datetime
import functools
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from thin_api.providers import (
    STATUSES,
    UNSUPPORTED,
    Event,
    Request,
    Unreadable,
    filled,
    identity,
    text,
)
from thin_api.providers.documents import loads, objects, part
from thin_api.providers.phones import e164

Json = dict[str, Any]

SIGNATURE = b"x-hub-signature-256"
SCHEME = b"sha256="
FIRST = datetime.datetime(2009, 1, 1, tzinfo=datetime.UTC)  # when WhatsApp began
CLOCK_SKEW = datetime.timedelta(days=1)
NUMBER_CHANGED = ("user_changed_number", "customer_changed_number")
ONLY_KEYS_CHANGED = ("customer_identity_changed", "user_identity_changed")  # a new telephone
IDENTITY_CHANGED = ("user_changed_user_id", *ONLY_KEYS_CHANGED)
LONGEST_EMOJI = 32
EXTRAS = ("referral", "origin", "group_id", "errors")
CHANGED = re.compile(r"changed from (\S+) to (\S+?)\.?\Z")
USER_IDS = ("bsuid", "parent_bsuid")
REFERENCES = ("id", "from", "from_user_id", "from_parent_user_id")


class WhatsApp:
    """The provider, as the endpoint knows it."""

    name = "whatsapp"

    def __init__(self, app_secret: str | None) -> None:
        self._key = (app_secret or "").encode()

    def verify(self, request: Request) -> bool:
        """Compare the signature, an HMAC of the body as it came, in constant time."""
        given = request.headers.get(SIGNATURE, b"")
        if not self._key or not given.startswith(SCHEME):
            return False
        expected = hmac.digest(self._key, request.body, hashlib.sha256).hex().encode()
        return hmac.compare_digest(given.removeprefix(SCHEME).lower(), expected)

    def payload(self, request: Request) -> str:
        """Keep the body."""
        try:
            return request.body.decode()
        except UnicodeDecodeError:
            raise Unreadable from None

    def parse(self, payload: str, received_at: datetime.datetime) -> Sequence[Event]:
        """Read every message, echo, status and call of every change of every entry."""
        return [
            event
            for entry in objects(loads(payload), "entry")
            for change in objects(entry, "changes")
            if isinstance(change.get("value"), dict)
            for event in _Change(change["value"], received_at).events()
        ]


class _Change:
    """One `value` of a webhook: what happened at one of our numbers."""

    def __init__(self, value: Json, received_at: datetime.datetime) -> None:
        metadata = part(value, "metadata")
        self._value = value
        self._received_at = received_at
        self._display = text(metadata.get("display_phone_number"))
        self._address = text(metadata.get("phone_number_id")) or self._display
        self._people = [
            (_known_by(one, "wa_id", "user_id", "parent_user_id"), one)
            for one in objects(value, "contacts")
        ]

    def events(self) -> Iterator[Event]:
        """Yield what can be told without knowing WhatsApp."""
        if self._address is None:
            return
        value = self._value
        for message in objects(value, "messages"):
            who = self._contact(message, "messages", "from", "from_user_id", "from_parent_user_id")
            yield from self._message(message, who, "contact")
        for echo in objects(value, "message_echoes"):
            who = self._contact(echo, "message_echoes", "to", "to_user_id", "to_parent_user_id")
            yield from self._message(echo, who, "business")
        for status in objects(value, "statuses"):
            yield from self._status(status)
        for call in objects(value, "calls"):
            yield from self._call(call)

    def _message(self, item: Json, who: Json, by: str) -> Iterator[Event]:
        provider_id, kind = text(item.get("id")), item.get("type")
        if kind == "system" and (system := self._system(item, who)):
            yield system
            return
        if provider_id is None or not who["contact"]:
            return  # nobody's: the payload is kept
        event = {**self._event(item, provider_id), **who}
        # In a group one answers and reacts to what others said, who are other contacts for that.
        in_group = item.get("group_id") is not None
        change = None if in_group and kind == "reaction" else _change_of_another(kind, item)
        if change is not None:
            yield {**event, **change, "by": by}
            return
        context = part(item, "context")
        yield filled(
            {
                **event,
                "kind": "message" if by == "contact" else "echo",
                **said(kind, item, self._value.get("errors")),
                "reply_to": None if in_group else text(context.get("id")),
            }
        )

    def _system(self, item: Json, who: Json) -> Event | None:
        """Read a change of number or identity; None for any other system message."""
        provider_id, system = text(item.get("id")), part(item, "system")
        if provider_id is None:
            return None
        body = text(system.get("body"))
        new = _known_by(system, "wa_id", "user_id", "parent_user_id")
        if system.get("type") in NUMBER_CHANGED:
            event = "contact_number_changed"
            new = {**_known_by(system, "new_wa_id", "user_id", "parent_user_id"), **new}
            old = _known_by(system, "customer", "previous_user_id", "")
        elif system.get("type") in IDENTITY_CHANGED:
            event = "contact_identity_changed"
            old = _known_by(system, "", "previous_user_id", "previous_parent_user_id")
            if not who["contact"] and not old:
                old = _changed_from(body, new)
        else:
            return None
        contact = {**old, **who["contact"]}
        if not contact or not (new or system["type"] in ONLY_KEYS_CHANGED):
            return None
        return {
            **self._event(item, provider_id),
            **who,
            "kind": "system",
            "contact": contact,
            "event": event,
            "content": body,
            "new": new,
        }

    def _status(self, item: Json) -> Iterator[Event]:
        target, status = text(item.get("id")), item.get("status")
        if target is None or status not in STATUSES or item.get("type") == "call":
            return
        who = self._contact(
            item, "statuses", "recipient_id", "recipient_user_id", "recipient_parent_user_id"
        )
        if item.get("recipient_type") == "group":
            who = {"contact": {}}
        yield filled(
            {
                **self._event(item, None),
                **who,
                "kind": "status",
                "target": target,
                "status": status,
                "callback": text(item.get("biz_opaque_callback_data")),
                "error": next(map(_error, objects(item, "errors")), None),
            }
        )

    def _call(self, item: Json) -> Iterator[Event]:
        """A contact who calls has turned to the business, whatever becomes of the call."""
        provider_id = text(item.get("id"))
        begins = item.get("event") == "connect"
        if provider_id is None or not begins or item.get("direction") != "USER_INITIATED":
            return
        who = self._contact(item, "calls", "from", "from_user_id", "from_parent_user_id")
        if who["contact"]:
            call = {name: value for name, value in item.items() if name != "session"}
            yield {
                **self._event(item, provider_id),
                **who,
                "kind": "message",
                "type": "call",
                "content": None,
                "metadata": {"call": call},
            }

    def _event(self, item: Json, provider_id: str | None) -> Event:
        event = {
            "address": self._address,
            "at": _moment(item.get("timestamp"), self._received_at),
        }
        if self._display is not None:
            event["address_name"] = self._display
        if provider_id is not None:
            event["id"] = provider_id
        return event

    def _contact(self, item: Json, among: str, number: str, user: str, parent: str) -> Json:
        """Find by what the other side of an item is known, and its name."""
        known = _known_by(item, number, user, parent)
        if self._display and known.get("wa_id") == self._display:  # our own number is nobody else's
            known = {kind: known[kind] for kind in USER_IDS if kind in known}
        for person, about in self._people:
            if any(known.get(kind) == value for kind, value in person.items()):
                return _joined(known, person, about)
        if len(self._people) == 1 and self._alone(among, number, user):
            person, about = self._people[0]
            return _joined(known, person, about)
        return {"contact": known}

    def _alone(self, among: str, number: str, user: str) -> bool:
        """Tell whether all items have one other side: the only contact is theirs, then."""
        items = objects(self._value, among)
        return len({(str(one.get(number)), str(one.get(user))) for one in items}) == 1


def said(kind: Any, item: Json, errors: Any = None) -> Json:
    """Read what a message says: its type, the text people read, the rest as it came."""
    read = READERS.get(kind) if isinstance(kind, str) else None
    found = read(item.get(kind)) if read else None
    if found is None:
        kind, content, metadata = UNSUPPORTED, None, {"original": item}
    else:
        content, metadata = found[0], _verbatim(kind, item)
    if errors is not None:
        metadata["errors"] = errors
    return {"type": kind, "content": content, "metadata": metadata}


def _verbatim(kind: str, item: Json) -> Json:
    body = item[kind]
    if kind == "text":  # said already; nothing should outlive its being taken back
        body = {name: value for name, value in body.items() if name != "body"}
    metadata = {kind: body} if body else {}
    context = part(item, "context")
    if flags := {name: value for name, value in context.items() if name not in REFERENCES}:
        metadata["context"] = flags
    return metadata | {name: item[name] for name in EXTRAS if item.get(name) is not None}


def _text(body: Any) -> tuple[str | None] | None:
    content = body.get("body") if isinstance(body, dict) else None
    return (content,) if isinstance(content, str) and text(content) else None


def _media(body: Any) -> tuple[str | None] | None:
    return (text(body.get("caption")),) if isinstance(body, dict) else None


def _location(body: Any) -> tuple[str | None] | None:
    if not isinstance(body, dict):
        return None
    words = (text(body.get("name")), text(body.get("address")))
    return (", ".join(filter(None, words)) or None,)


def _contacts(body: Any) -> tuple[str | None] | None:
    if not isinstance(body, list):
        return None
    names = (text(part(one, "name").get("formatted_name")) for one in body if isinstance(one, dict))
    return (", ".join(filter(None, names)) or None,)


def _order(body: Any) -> tuple[str | None] | None:
    return (text(body.get("text")),) if isinstance(body, dict) else None


def _interactive(body: Any) -> tuple[str | None] | None:
    kind = body.get("type") if isinstance(body, dict) else None
    if not isinstance(kind, str):
        return None
    reply = part(body, kind)
    return (text(reply.get("title")) or text(reply.get("body")) or text(reply.get("response")),)


def _button(body: Any) -> tuple[str | None] | None:
    return (text(body.get("text")),) if isinstance(body, dict) else None


# What each type's own object says in words, in a tuple; None if it is not what it should be.
READERS: Mapping[str, Callable[[Any], tuple[str | None] | None]] = {
    "text": _text,
    "image": _media,
    "video": _media,
    "audio": _media,
    "document": _media,
    "sticker": _media,
    "location": _location,
    "contacts": _contacts,
    "order": _order,
    "interactive": _interactive,
    "button": _button,
}


def _change_of_another(kind: Any, item: Json) -> Event | None:
    """Read what is about an earlier message; None for anything else, and for what names none."""
    if kind == "reaction":
        reaction = part(item, "reaction")
        emoji = text(reaction.get("emoji"))
        if (target := text(reaction.get("message_id"))) and len(emoji or "") <= LONGEST_EMOJI:
            return {"kind": kind, "target": target, "emoji": emoji}
    elif kind == "edit":
        edit = part(item, "edit")
        message = part(edit, "message")
        if message and (target := text(edit.get("original_message_id"))):
            return {"kind": kind, "target": target, **said(message.get("type"), message)}
    elif kind == "revoke" and (target := text(part(item, "revoke").get("original_message_id"))):
        return {"kind": kind, "target": target}
    return None


def _known_by(item: Json, number: str, user: str, parent: str) -> Json:
    """Read by what somebody is known: their number as it came and as E.164, their user ids."""
    return _identities(text(item.get(number)), text(item.get(user)), text(item.get(parent)))


@functools.lru_cache(maxsize=16_384)
def _identities(number: str | None, user: str | None, parent: str | None) -> Json:
    """Make identities of what is told; the same people come again and again."""
    wa_id = identity(number)
    return filled(
        {
            "phone": e164(wa_id) if wa_id else None,
            "wa_id": wa_id,
            "bsuid": identity(user),
            "parent_bsuid": identity(parent),
        }
    )


def _joined(known: Json, person: Json, about: Json) -> Json:
    """Put together what an item and its contact say; a number called from is the phone."""
    phone = {"phone": known["phone"]} if "phone" in known else {}
    profile = part(about, "profile")
    name = text(profile.get("name")) or text(profile.get("username"))
    return filled({"contact": {**known, **person, **phone}, "name": name})


def _changed_from(body: str | None, new: Json) -> Json:
    """Read the old user id from "User Ada changed from US.1 to US.2", where it is told only there.

    WhatsApp leaves the number out for people who have a username.
    """
    found = CHANGED.search(body or "")
    return {"bsuid": found[1]} if found and found[2] == new.get("bsuid") else {}


def _error(error: Json) -> Json:
    return filled(
        {
            "code": error.get("code"),
            "title": text(error.get("title")),
            "message": text(error.get("message")),
            "details": text(part(error, "error_data").get("details")),
        }
    )


def _moment(timestamp: Any, received_at: datetime.datetime) -> str:
    """Read seconds since 1970; what cannot be true becomes the time of receipt."""
    try:
        moment = datetime.datetime.fromtimestamp(int(timestamp), datetime.UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        moment = received_at
    plausible = FIRST <= moment <= received_at + CLOCK_SKEW
    return (moment if plausible else received_at).isoformat()
