"""Outside networks: each module turns what one of them says into events of one neutral form.

An event is a dict that `chat.receive_event` takes: kind (message, echo, edit, revoke, reaction,
system, status), address (our end), at, contact (what the other side is known by), and what its kind
needs. Nothing behind this package knows a provider.
"""

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Event = dict[str, Any]

# The types a message of a contact may have; anything else is shown as unsupported.
UNSUPPORTED = "unsupported"
STATUSES = ("sent", "delivered", "read", "played", "failed")

IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,199}")


class Request(NamedTuple):
    """A webhook as it came; the path as it was asked for, with its query."""

    body: bytes
    headers: Mapping[bytes, bytes]
    path: str


class Unreadable(ValueError):  # noqa: N818 - the sender's mistake
    """A payload is not what this provider sends at all."""


class Provider(Protocol):
    """What the endpoint of a network needs from its module."""

    name: str

    def verify(self, request: Request) -> bool:
        """Tell whether the provider signed it."""

    def payload(self, request: Request) -> str:
        """Return what to keep of it, and what `parse` reads; Unreadable if it is not text."""

    def parse(self, payload: str, received_at: datetime.datetime) -> Sequence[Event]:
        """Read every event; what makes none is only kept. Unreadable: not this provider's."""


def identity(value: str | None) -> str | None:
    """Take an id that can be one; documentation's <PLACEHOLDERS> cannot."""
    return value if value and IDENTITY.fullmatch(value) else None


def text(value: Any) -> str | None:
    """Take a text that says something; ids are sometimes written as numbers."""
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def filled(event: Event) -> Event:
    """Leave out what is not known."""
    return {name: value for name, value in event.items() if value is not None}
