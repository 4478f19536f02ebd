"""What goes out: each network's courier makes a request of a message and reads the answer.

Nothing is sent here, so that what may go wrong on the way is judged in one place, for all networks.
"""

import email.utils
import time
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

import httpx

Json = dict[str, Any]
Delivery = Mapping[str, Any]  # an element of what claim_deliveries gives

# Nobody knows whether what stands behind a gateway, or was slow, has taken the message.
UNKNOWN_STATUSES = frozenset({408, 502, 504})
LONGEST_WAIT = 3600.0  # seconds a provider may ask us to stay away
LONGEST_TEXT = 1000  # characters kept of what a provider says of an error


class Outcome(NamedTuple):
    """What became of an attempt, as settle_delivery_atomic takes it."""

    kind: Literal["sent", "retry", "failed", "unknown"]
    provider_message_id: str | None = None
    error: Json | None = None
    retry_after: float | None = None  # seconds
    identities: Json | None = None
    is_our_fault: bool = False  # the provider does not accept our credentials


class Undeliverable(Exception):  # noqa: N818 - it is the message's fault
    """A network has no way to carry this message, or to reach this contact."""

    def __init__(self, code: str, title: str) -> None:
        super().__init__(code)
        self.error: Json = {"code": code, "title": title}


class Courier(Protocol):
    """Carries messages to one network."""

    provider: str

    def request(self, delivery: Delivery) -> httpx.Request:
        """Make the request that sends a message; Undeliverable if there is none."""

    def outcome(self, delivery: Delivery, response: httpx.Response) -> Outcome:
        """Read the answer."""


def attachment(delivery: Delivery) -> Any:
    """Return what the message is made of: metadata names it as the message's type is named."""
    found = delivery["metadata"].get(delivery["type"])
    if not found:
        raise Undeliverable("content_missing", f"metadata.{delivery['type']} is missing")
    return found


def refused(
    response: httpx.Response, code: int | None, again: frozenset[int], error: Json
) -> Outcome:
    """Judge a refusal by its status and code; `again` are the codes that pass with time."""
    if response.status_code in UNKNOWN_STATUSES:
        return Outcome("unknown", error=error)
    if response.status_code in (429, 401) or response.status_code >= 500 or code in again:
        return Outcome(
            "retry",
            error=error,
            retry_after=wanted_pause(response),
            is_our_fault=response.status_code == 401,
        )
    return Outcome("failed", error=error)


def wanted_pause(response: httpx.Response) -> float | None:
    """Read Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    written = response.headers.get("retry-after", "").strip()
    if written.isdecimal():
        return min(float(written), LONGEST_WAIT)
    try:
        date = email.utils.parsedate_to_datetime(written)
    except ValueError:
        return None
    return min(max(date.timestamp() - time.time(), 0.0), LONGEST_WAIT)


def json_object(response: httpx.Response) -> Json:
    """Read an answer that should be a JSON object; anything else is an empty one."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def number(value: Any) -> int | None:
    """Take an error code that is one."""
    return value if isinstance(value, int) else None


def told(code: Any, title: Any, details: Any, status: int) -> Json:
    """Write down an error for people: what was said of it, or else the status."""
    said = {"code": code, "title": title, "details": details}
    error: Json = {
        name: value[:LONGEST_TEXT] if isinstance(value, str) else value
        for name, value in said.items()
        if isinstance(value, str | int) and value != ""
    }
    return {"code": status, "title": f"HTTP status {status}"} | error
