"""Where outside networks bring what happened: `/webhooks/{provider}`."""

import datetime
import hmac
from collections.abc import Sequence

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from thin_api import metrics
from thin_api.endpoints import answer_other_method
from thin_api.errors import Failure
from thin_api.exchange import Exchange, exchange_of
from thin_api.providers import Provider, Request, Unreadable
from thin_api.providers.twilio import Twilio
from thin_api.providers.whatsapp import WhatsApp
from thin_api.receiver import RECEIVE, Receiver
from thin_api.settings import Settings

log = structlog.get_logger(__name__)

LARGEST = 3 * 1_048_576  # WhatsApp's own limit
TEXT_HEADERS = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


class Webhook:
    """One provider's path, as an ASGI application."""

    def __init__(self, provider: Provider, receiver: Receiver, word: str | None = None) -> None:
        self.path = f"/webhooks/{provider.name}"
        self._provider = provider
        self._receiver = receiver
        self._word = word
        self._verifies = provider.name == WhatsApp.name
        self._allow = b"GET, OPTIONS, POST" if self._verifies else b"OPTIONS, POST"

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        """Answer one request."""
        exchange = exchange_of(scope)
        exchange.route = self.path
        if exchange.method == "POST":
            await self._take(exchange)
        elif exchange.method == "GET" and self._verifies:
            await self._confirm(exchange)
        else:
            await answer_other_method(exchange, self._allow)

    async def _take(self, exchange: Exchange) -> None:
        """Believe it, read it, have it stored: only then it is answered."""
        name = self._provider.name
        exchange.function = RECEIVE
        request = Request(await exchange.body(LARGEST), exchange.headers, _target(exchange))
        if not self._provider.verify(request):
            metrics.observe_webhook(name, "forged")
            raise Failure("permission_denied", "the signature does not fit")
        try:
            payload = self._provider.payload(request)
            result = await self._read(payload)
        except Unreadable:
            metrics.observe_webhook(name, "unreadable")
            raise Failure(
                "validation_error", "the body cannot be read", details={"field": "body"}
            ) from None
        metrics.observe_webhook(name, "received")
        if b'"refused": ' in result:
            _tell_of_refused(exchange, name, result)
        await exchange.answer(200, result)

    async def _read(self, payload: str) -> bytes:
        """Make events of a payload; one that we cannot read through a bug of ours is kept."""
        name = self._provider.name
        try:
            events = self._provider.parse(payload, datetime.datetime.now(datetime.UTC))
        except Unreadable:
            raise
        except Exception as error:
            return await self._receiver.park(name, payload, error)
        metrics.observe_webhook_events(name, [event["kind"] for event in events])
        return await self._receiver.receive(name, payload, events)

    async def _confirm(self, exchange: Exchange) -> None:
        """Show WhatsApp, which asks when the address is entered there, that we know the word."""
        query = exchange.query()
        given = query.get("hub.verify_token", "")
        known = self._word and hmac.compare_digest(given.encode(), self._word.encode())
        challenge = query.get("hub.challenge")
        if not known or query.get("hub.mode") != "subscribe" or challenge is None:
            raise Failure("permission_denied", "the verification token does not fit")
        await exchange.answer(200, challenge.encode(), TEXT_HEADERS)


def webhooks(settings: Settings, receiver: Receiver) -> Sequence[Webhook]:
    """Make the endpoints; one without its secret believes nobody."""
    whatsapp = WhatsApp(settings.whatsapp_app_secret)
    twilio = Twilio(settings.twilio_auth_token, settings.public_url)
    return (
        Webhook(whatsapp, receiver, settings.whatsapp_verify_token),
        Webhook(twilio, receiver),
    )


def _tell_of_refused(exchange: Exchange, name: str, result: bytes) -> None:
    """Log what was no event to the database: an adapter's mistake; the payload is kept."""
    refused = orjson.loads(result)["refused"]
    log.warning(
        "webhook_events_refused",
        request_id=exchange.request_id.decode(),
        provider=name,
        errors=[one.get("error") for one in refused],
        fields=[(one.get("details") or {}).get("field") for one in refused],
    )


def _target(exchange: Exchange) -> str:
    """Return path and query as they were asked for."""
    scope = exchange.scope
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    target: bytes = scope["raw_path"] + query
    return target.decode("latin-1")
