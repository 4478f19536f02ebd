"""WhatsApp's Cloud API: one POST a message (developers.facebook.com/docs/whatsapp/cloud-api)."""

from collections.abc import Mapping
from typing import Any

import httpx

from thin_api.providers.outgoing import (
    Delivery,
    Json,
    Outcome,
    Undeliverable,
    attachment,
    json_object,
    number,
    refused,
    told,
)
from thin_api.settings import Settings

# What may be said of a file; the rest of what came with a message is not for sending.
MEDIA: Mapping[str, frozenset[str]] = {
    "image": frozenset({"id", "link", "caption"}),
    "video": frozenset({"id", "link", "caption"}),
    "audio": frozenset({"id", "link", "voice"}),
    "document": frozenset({"id", "link", "caption", "filename"}),
    "sticker": frozenset({"id", "link"}),
}
VERBATIM = frozenset({"template", "location", "contacts", "interactive"})

# Codes that pass with time. Too much at once: of our account, our number, to one contact, or since
# too much of it was spam.
THROTTLED = frozenset({4, 80007, 130429, 131048, 131056})
AWAY = frozenset({1, 2, 131000, 131016, 131057, 133004})
TOKEN = frozenset({0, 190})


class WhatsAppCourier:
    """Carries messages by the Cloud API."""

    provider = "whatsapp"

    def __init__(self, api_base: str, access_token: str) -> None:
        self._base = api_base.rstrip("/")
        self._headers = {"Authorization": f"Bearer {access_token}"}

    def request(self, delivery: Delivery) -> httpx.Request:
        """Make the request that sends a message."""
        kind = delivery["type"]
        body: Json = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            **_recipient(delivery["contact"]),
            "type": kind,
            kind: _content(delivery),
            "biz_opaque_callback_data": delivery["callback"],
        }
        if delivery["reply_to"]:
            body["context"] = {"message_id": delivery["reply_to"]}
        return httpx.Request(
            "POST",
            f"{self._base}/{delivery['channel']['address']}/messages",
            headers=self._headers,
            json=body,
        )

    def outcome(self, delivery: Delivery, response: httpx.Response) -> Outcome:
        """Read the answer."""
        body = json_object(response)
        if not response.is_success:
            return _refusal(response, body.get("error"))
        message_id = _first(body, "messages").get("id")
        if not isinstance(message_id, str) or not message_id:
            return Outcome("unknown", error=told("no_id", "the answer has no id", None, 200))
        return Outcome("sent", message_id, identities=_identities(delivery, body))


def courier(settings: Settings) -> WhatsAppCourier | None:
    """Make the courier, if there is a token."""
    if not settings.whatsapp_access_token:
        return None
    return WhatsAppCourier(settings.whatsapp_api_base, settings.whatsapp_access_token)


def _recipient(contact: Mapping[str, str]) -> Json:
    """Name the contact: by number where one is known, else by their id for this business."""
    if number := contact.get("wa_id") or contact.get("phone"):
        return {"to": number.removeprefix("+")}
    if user := contact.get("bsuid"):
        return {"recipient": user}
    raise Undeliverable("no_address", "nothing is known that leads to the contact on WhatsApp")


def _content(delivery: Delivery) -> Any:
    kind, said = delivery["type"], delivery["content"]
    if kind == "text":
        return {"body": said, "preview_url": bool(delivery["metadata"].get("preview_url"))}
    if kind in VERBATIM:
        return attachment(delivery)
    if kind not in MEDIA:
        raise Undeliverable("unsupported_type", f"WhatsApp carries nothing of type {kind}")
    given = attachment(delivery)
    if not isinstance(given, dict) or not given.keys() & {"id", "link"}:
        raise Undeliverable("content_missing", f"metadata.{kind} needs an id or a link")
    media = {name: value for name, value in given.items() if name in MEDIA[kind]}
    if said and "caption" in MEDIA[kind]:
        media["caption"] = said
    return media


def _refusal(response: httpx.Response, given: Any) -> Outcome:
    error = given if isinstance(given, dict) else {}
    data = error.get("error_data")
    code = number(error.get("code"))
    outcome = refused(
        response,
        code,
        THROTTLED | AWAY | TOKEN,
        told(
            code,
            error.get("message"),
            data.get("details") if isinstance(data, dict) else None,
            response.status_code,
        ),
    )
    if outcome.kind == "retry" and code in TOKEN:
        return outcome._replace(is_our_fault=True)
    return outcome


def _identities(delivery: Delivery, body: Json) -> Json | None:
    """Learn by what WhatsApp knows the contact we named."""
    contact = _first(body, "contacts")
    learned = {"wa_id": contact.get("wa_id"), "bsuid": contact.get("user_id")}
    known = delivery["contact"]
    news = {
        kind: value
        for kind, value in learned.items()
        if isinstance(value, str) and value and known.get(kind) != value
    }
    return news or None


def _first(body: Json, name: str) -> Json:
    """Return the only element of a list that should have one."""
    found = body.get(name)
    return found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}
