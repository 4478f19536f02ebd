"""Twilio's Messages resource: one form a message (twilio.com/docs/messaging/api)."""

from collections.abc import Mapping
from urllib.parse import urlencode

import httpx
import orjson

from thin_api.providers.outgoing import (
    Delivery,
    Outcome,
    Undeliverable,
    attachment,
    json_object,
    number,
    refused,
    told,
)
from thin_api.settings import Settings

PREFIX = "whatsapp:"
MEDIA = frozenset({"image", "video", "audio", "document"})
THROTTLED = frozenset({14107, 20429, 63018})
TOKEN = 20003


class TwilioCourier:
    """Carries messages by Twilio."""

    provider = "twilio"

    def __init__(
        self, api_base: str, account_sid: str, auth_token: str, public_url: str | None
    ) -> None:
        self._url = f"{api_base.rstrip('/')}/2010-04-01/Accounts/{account_sid}/Messages.json"
        self._auth = httpx.BasicAuth(account_sid, auth_token)
        self._public_url = public_url and public_url.rstrip("/")

    def request(self, delivery: Delivery) -> httpx.Request:
        """Make the request that sends a message; Twilio cannot say what it answers."""
        address = delivery["channel"]["address"]
        form = {
            "From": address,
            "To": _recipient(delivery["contact"], address),
            **_content(delivery),
        }
        if self._public_url:
            query = urlencode({"callback": delivery["callback"]}, safe="/")
            form["StatusCallback"] = f"{self._public_url}/webhooks/twilio?{query}"
        request = httpx.Request("POST", self._url, data=form)
        return next(self._auth.auth_flow(request))

    def outcome(self, _delivery: Delivery, response: httpx.Response) -> Outcome:
        """Read the answer."""
        body = json_object(response)
        if response.is_success:
            sid = body.get("sid")
            if not isinstance(sid, str) or not sid:
                return Outcome("unknown", error=told("no_id", "the answer has no id", None, 200))
            return Outcome("sent", sid)
        code = number(body.get("code"))
        error = told(code, body.get("message"), None, response.status_code)
        outcome = refused(response, code, THROTTLED | {TOKEN}, error)
        return outcome._replace(is_our_fault=outcome.is_our_fault or code == TOKEN)


def courier(settings: Settings) -> TwilioCourier | None:
    """Make the courier, if there is an account."""
    if not (settings.twilio_account_sid and settings.twilio_auth_token):
        return None
    return TwilioCourier(
        settings.twilio_api_base,
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        settings.public_url,
    )


def _recipient(contact: Mapping[str, str], address: str) -> str:
    number = contact.get("phone")
    if not number and (known := contact.get("wa_id")):
        number = f"+{known.removeprefix('+')}"
    if not number:
        raise Undeliverable("no_address", "Twilio reaches nobody without a number")
    return f"{PREFIX}{number}" if address.startswith(PREFIX) else number


def _content(delivery: Delivery) -> dict[str, str]:
    kind, said = delivery["type"], delivery["content"] or ""
    if kind == "text":
        return {"Body": said}
    given = attachment(delivery)
    if kind == "template" and isinstance(given, dict) and given.get("content_sid"):
        variables = orjson.dumps(given.get("content_variables") or {}).decode()
        return {"ContentSid": str(given["content_sid"]), "ContentVariables": variables}
    if kind in MEDIA and isinstance(given, dict) and given.get("link"):
        media = {"MediaUrl": str(given["link"])}
        return {**media, "Body": said} if said else media
    if kind == "location" and isinstance(given, dict):
        place = f"geo:{given.get('latitude')},{given.get('longitude')}|{given.get('name') or said}"
        return {"Body": said or str(given.get("name") or place), "PersistentAction": place}
    raise Undeliverable("unsupported_type", f"Twilio carries nothing like this of type {kind}")
