"""The worker that sends: claims deliveries, calls the provider, settles what became of each.

A provider's API has no key that would make a send repeatable. So an attempt without an answer is
`unknown`: the delivery stays claimed until its lease ends, and meanwhile the provider's status,
which carries our callback, settles it. Every call ends well before the lease does.
"""

import asyncio
import contextlib
import datetime
import functools
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import orjson
import structlog

from thin_api import metrics
from thin_api.db import Database
from thin_api.providers import twilio_courier, whatsapp_courier
from thin_api.providers.outgoing import Courier, Delivery, Outcome, Undeliverable
from thin_api.settings import Settings
from thin_api.worker import POLL, TROUBLE, Worker, insist, pause_after

log = structlog.get_logger(__name__)

AT_ONCE = 16  # messages under way to providers
LONGEST_CALL = 30.0  # seconds
CONNECT_TIMEOUT = 5.0
# Shares of the lease: after the first nothing is sent any more, a call takes the second at most.
BEGIN_WITHIN = 0.5
CALL_WITHIN = 0.25
# The request never left.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Deliveries:
    """Sends what the desk has written, as far as there are couriers for it."""

    def __init__(self, settings: Settings, database: Database) -> None:
        found = (whatsapp_courier.courier(settings), twilio_courier.courier(settings))
        self._couriers: Mapping[str, Courier] = {one.provider: one for one in found if one}
        self._database = database
        self._grace = settings.shutdown_grace
        self._worker = Worker("deliveries", AT_ONCE)
        self._up_since = time.monotonic()

    def kick(self) -> None:
        """Look soon: there may be something to send."""
        self._worker.kick()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send as long as this lasts; what is under way then is brought to its end."""
        if not self._couriers:
            yield
            return
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        async with (
            httpx.AsyncClient(limits=limits) as client,
            self._worker.looking(functools.partial(self._look, client), self._grace),
        ):
            yield

    async def _look(self, client: httpx.AsyncClient) -> float:
        """Claim what there is room for and begin to send it; how long to wait for more."""
        if not (room := self._worker.room):
            return POLL  # whoever ends wakes us
        begun = time.monotonic()
        claim = orjson.loads(
            await self._database.call(
                "claim_deliveries",
                {
                    "p_worker": self._worker.name,
                    "p_limit": room,
                    "p_providers": list(self._couriers),
                    "p_up_for": datetime.timedelta(seconds=begun - self._up_since),
                },
            )
        )
        claimed: Sequence[Delivery] = claim["deliveries"]
        lease = float(claim["lease_seconds"])
        for delivery in claimed:
            self._worker.begin(self._send(client, delivery, begun, lease))
        if claimed or claim["failed"]:
            return 0.0  # there may be more where they came from
        return await pause_after(claim["wait_seconds"])

    async def _send(
        self, client: httpx.AsyncClient, delivery: Delivery, begun: float, lease: float
    ) -> None:
        """Send one message and say what became of it."""
        courier = self._couriers[delivery["channel"]["provider"]]
        if time.monotonic() > begun + lease * BEGIN_WITHIN:
            log.warning("delivery_lapsed", **_about(delivery))
            return
        started = time.monotonic()
        with metrics.DELIVERIES_UNDER_WAY.track_inprogress():
            outcome = await _attempt(
                client, courier, delivery, min(LONGEST_CALL, lease * CALL_WITHIN)
            )
        seconds = time.monotonic() - started
        metrics.DELIVERIES.labels(courier.provider, outcome.kind).inc()
        metrics.DELIVERY_SECONDS.labels(courier.provider).observe(seconds)
        told = {
            **_about(delivery),
            "outcome": outcome.kind,
            "code": (outcome.error or {}).get("code"),
            "attempts": delivery["attempts"],
            "ms": round(seconds * 1000, 2),
        }
        if outcome.is_our_fault:
            log.error("delivery_credentials_refused", **told)
        else:
            log.info("delivery", **told)
        await self._settle(delivery, outcome, begun + lease)

    async def _settle(self, delivery: Delivery, outcome: Outcome, until: float) -> None:
        """Write down what became of it; with the database away, try for as long as it matters."""
        given: dict[str, Any] = {
            "p_conversation_id": delivery["conversation_id"],
            "p_message_id": delivery["message_id"],
            "p_lease": delivery["lease"],
            "p_outcome": outcome.kind,
        }
        if outcome.provider_message_id is not None:
            given["p_provider_message_id"] = outcome.provider_message_id
        if outcome.error is not None:
            given["p_error"] = orjson.dumps(outcome.error)
        if outcome.retry_after is not None:
            given["p_retry_after"] = datetime.timedelta(seconds=outcome.retry_after)
        if outcome.identities is not None:
            given["p_identities"] = orjson.dumps(outcome.identities)
        call = functools.partial(self._database.call, "settle_delivery_atomic", given)
        reason: str | None
        try:
            result = orjson.loads(await insist(call, until))
        except TROUBLE as trouble:
            reason = type(trouble).__name__
        else:
            reason = None if result["success"] else result["error"]
        if reason:
            log.error("delivery_not_settled", **_about(delivery), reason=reason)


async def _attempt(
    client: httpx.AsyncClient, courier: Courier, delivery: Delivery, seconds: float
) -> Outcome:
    """Call the provider once."""
    try:
        request = courier.request(delivery)
    except Undeliverable as undeliverable:
        return Outcome("failed", error=undeliverable.error)
    request.extensions["timeout"] = httpx.Timeout(
        seconds, connect=min(CONNECT_TIMEOUT, seconds * 0.8)
    ).as_dict()
    try:
        async with asyncio.timeout(seconds):
            response = await client.send(request)
    except NOT_SENT as error:
        return Outcome("retry", error=_trouble(error))
    except (httpx.HTTPError, TimeoutError) as error:
        return Outcome("unknown", error=_trouble(error))
    return courier.outcome(delivery, response)


def _trouble(error: Exception) -> dict[str, str]:
    return {
        "code": "no_answer",
        "title": "the provider gave no answer",
        "details": type(error).__name__,
    }


def _about(delivery: Delivery) -> dict[str, Any]:
    return {
        "conversation_id": delivery["conversation_id"],
        "message_id": delivery["message_id"],
        "provider": delivery["channel"]["provider"],
    }
