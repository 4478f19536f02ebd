"""Twilio's messaging webhooks, WhatsApp through Twilio among them, as neutral events."""

import base64
import datetime
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from thin_api.providers import UNSUPPORTED, Event, Request, Unreadable, filled, identity, text
from thin_api.providers.phones import e164

Parameters = Mapping[str, Sequence[str]]

SIGNATURE = b"x-twilio-signature"
CALLBACK = "callback"  # of the address we give Twilio for statuses: what we want to hear again
MOST_PARAMETERS = 1000
UNKNOWN = "\N{REPLACEMENT CHARACTER}"  # for NUL, which PostgreSQL cannot store
WHATSAPP = "whatsapp:"
NUMBERED = ("", "whatsapp", "rcs")  # where people are known by their phones; Messenger has ids
STATUSES = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "failed": "failed",
    "undelivered": "failed",
    "canceled": "failed",
}
# The first word of a media type, where Twilio does not say what the message is.
MEDIA = {"image": "image", "video": "video", "audio": "audio"}
MEDIA_TYPES = ("image", "video", "audio", "document", "sticker")
CARDS = ("text/vcard", "text/x-vcard")
MOST_FILES = 10
SCOPED = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")  # a business-scoped user id


class Twilio:
    """The provider, as the endpoint knows it."""

    name = "twilio"

    def __init__(self, auth_token: str | None, public_url: str | None) -> None:
        self._key = (auth_token or "").encode()
        self._base = (public_url or "").rstrip("/")

    def verify(self, request: Request) -> bool:
        """Compare the signature, over address and sorted parameters, in constant time."""
        if not self._key or not self._base:
            return False
        try:
            form = _parameters(request.body.decode())
        except ValueError:
            return False
        signed = self._base + request.path
        for name in sorted(form):
            signed += "".join(name + value for value in sorted(set(form[name])))
        digest = hmac.digest(self._key, signed.encode(), hashlib.sha1)
        given = request.headers.get(SIGNATURE, b"")
        return hmac.compare_digest(given, base64.b64encode(digest))

    def payload(self, request: Request) -> str:
        """Keep the form; the query, if there is one, on a line before it."""
        _, mark, query = request.path.partition("?")
        try:
            form = request.body.decode()
        except UnicodeDecodeError:
            raise Unreadable from None
        if "\0" in form:
            raise Unreadable
        return f"?{query}\n{form}" if mark else form

    def parse(self, payload: str, received_at: datetime.datetime) -> Sequence[Event]:
        """Read a message or the status of one; Twilio tells no time, so it is the receipt's."""
        query, form = "", payload
        if payload.startswith("?"):
            query, _, form = payload[1:].partition("\n")
        try:
            values = {
                name.replace("\0", UNKNOWN): values[-1].replace("\0", UNKNOWN)
                for name, values in _parameters(form).items()
            }
            callback = _parameters(query).get(CALLBACK, [None])[-1]
        except ValueError:
            raise Unreadable from None
        if _sid(values) is None:
            return []
        at = received_at.isoformat()
        if "MessageStatus" in values:
            return _status(values, at, callback)
        return _message(values, at)


def _message(values: Mapping[str, str], at: str) -> list[Event]:
    address, contact = text(values.get("To")), _contact(values.get("From"), values.get("WaId"))
    if address is None or not contact:
        return []
    event = {
        "kind": "message",
        "address": address,
        "address_name": address.removeprefix(WHATSAPP),
        "id": _sid(values),
        "at": at,
        "contact": contact,
        "name": text(values.get("ProfileName")),
        **_said(values),
        "reply_to": text(values.get("OriginalRepliedMessageSid")),
    }
    return [filled(event)]


def _status(values: Mapping[str, str], at: str, callback: str | None) -> list[Event]:
    address = text(values.get("From"))
    status = STATUSES.get("read" if values.get("EventType") == "READ" else values["MessageStatus"])
    if address is None or status is None:
        return []
    error = filled(
        {
            "code": _number(values.get("ErrorCode")),
            "message": text(values.get("ErrorMessage")),
            "details": text(values.get("ChannelStatusMessage")),
        }
    )
    event = {
        "kind": "status",
        "address": address,
        "address_name": address.removeprefix(WHATSAPP),
        "at": at,
        "contact": _contact(values.get("To"), None),
        "target": _sid(values),
        "status": status,
        "callback": text(callback),
        "error": error or None,
    }
    return [filled(event)]


def _said(values: Mapping[str, str]) -> dict[str, Any]:
    """Read type, text and the rest of a message."""
    kind, content = _kind(values), text(values.get("Body"))
    if kind == UNSUPPORTED or (kind == "text" and content is None):
        return {"type": UNSUPPORTED, "content": content, "metadata": {"original": dict(values)}}
    metadata: dict[str, Any] = {}
    if kind == "button":
        metadata[kind] = _taken(values, "Button")
        content = text(values.get("ButtonText")) or content
    elif kind == "interactive":
        metadata[kind] = _taken(values, "List")
        content = text(values.get("ListTitle")) or content
    elif kind == "location":
        metadata[kind] = _taken(values, "Latitude", "Longitude", "Label", "Address")
        words = (text(values.get("Label")), text(values.get("Address")))
        content = ", ".join(filter(None, words)) or content
    elif kind != "text":
        metadata[kind] = _media(values)
    if flags := _taken(values, "Forwarded", "FrequentlyForwarded"):
        metadata["context"] = flags
    if referral := _taken(values, "Referral"):
        metadata["referral"] = referral
    return {"type": kind, "content": content, "metadata": metadata}


def _kind(values: Mapping[str, str]) -> str:
    """Tell what a message is; only newer senders have Twilio say so itself."""
    told = values.get("MessageType", "text")
    media = values.get("MediaContentType0", "")
    if "Latitude" in values and "Longitude" in values:
        return "location"
    if "ButtonText" in values:
        return "button"
    if "ListTitle" in values:
        return "interactive"
    if media:
        if told in MEDIA_TYPES:
            return told
        return "contacts" if media in CARDS else MEDIA.get(media.partition("/")[0], "document")
    return "text" if told == "text" else UNSUPPORTED


def _media(values: Mapping[str, str]) -> dict[str, Any]:
    """Read the files of a message: the first one as it is, with what follows it under `more`."""
    files = [
        filled({"url": values.get(f"MediaUrl{n}"), "mime_type": values[f"MediaContentType{n}"]})
        for n in range(MOST_FILES)
        if f"MediaContentType{n}" in values
    ]
    return {**files[0], "more": files[1:]} if len(files) > 1 else files[0]


def _contact(address: str | None, wa_id: str | None) -> dict[str, str]:
    """Read by what the other side is known: number or user id, after the network's name."""
    given = address or ""
    network, _, number = given.rpartition(":")
    if SCOPED.fullmatch(number):
        return {"bsuid": number}
    digits = number.strip().removeprefix("+")
    on_whatsapp = network == WHATSAPP.removesuffix(":")
    return filled(
        {
            "phone": e164(number.strip()) if network in NUMBERED else None,
            "wa_id": identity(wa_id) or (identity(digits) if on_whatsapp else None),
        }
    )


def _sid(values: Mapping[str, str]) -> str | None:
    return text(values.get("MessageSid")) or text(values.get("SmsSid"))


def _number(written: str | None) -> int | str | None:
    return int(written) if written and written.isdecimal() and len(written) < 10 else written


def _taken(values: Mapping[str, str], *beginnings: str) -> dict[str, str]:
    """Pick the parameters whose names begin so."""
    return {name: value for name, value in values.items() if value and name.startswith(beginnings)}


def _parameters(written: str) -> Parameters:
    """Read a form or a query; ValueError if it is none."""
    return parse_qs(
        written,
        keep_blank_values=True,
        errors="strict",
        max_num_fields=MOST_PARAMETERS,
    )
