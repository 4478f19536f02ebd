"""The worker that sends: claims deliveries, calls the provider, settles what became of each.

A provider's API has no key that would make a send repeatable. So an attempt without an answer is
`unknown`: the delivery stays claimed until its lease ends, and meanwhile the provider's status,
which carries our callback, settles it. Every call ends well before the lease does.
"""

import asyncio
import contextlib
import datetime
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import orjson
import structlog

from thin_api import logs, metrics
from thin_api.db import Database, Refused, UnexpectedError
from thin_api.errors import Failure
from thin_api.providers import twilio_courier, whatsapp_courier
from thin_api.providers.outgoing import Courier, Delivery, Outcome, Undeliverable
from thin_api.settings import Settings

log = structlog.get_logger(__name__)

AT_ONCE = 16  # messages under way to providers
PACE = 0.02  # seconds between two looks of which the first found nothing
POLL = 5.0  # seconds between looks when nothing wakes us
LONGEST_CALL = 30.0  # seconds
CONNECT_TIMEOUT = 5.0
# Shares of the lease: after the first nothing is sent any more, a call takes the second at most.
BEGIN_WITHIN = 0.5
CALL_WITHIN = 0.25
SETTLING_DELAYS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
TROUBLE = (Failure, Refused, UnexpectedError)
# The request never left.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Deliveries:
    """Sends what the desk has written, as far as there are couriers for it."""

    def __init__(self, settings: Settings, database: Database) -> None:
        found = (whatsapp_courier.courier(settings), twilio_courier.courier(settings))
        self._couriers: Mapping[str, Courier] = {one.provider: one for one in found if one}
        self._database = database
        self._grace = settings.shutdown_grace
        self._name = f"{socket.gethostname()}/{os.getpid()}"
        self._woken = asyncio.Event()
        self._stopping = False
        self._up_since = time.monotonic()
        self._sending: set[asyncio.Task[None]] = set()
        self._round: asyncio.Task[None] | None = None

    def kick(self) -> None:
        """Look soon: there may be something to send."""
        self._woken.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send as long as this lasts; what is under way then is brought to its end."""
        if not self._couriers:
            yield
            return
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        async with httpx.AsyncClient(limits=limits) as client:
            self._round = asyncio.create_task(self._run(client))
            try:
                yield
            finally:
                await self._stop()

    async def _stop(self) -> None:
        self._stopping = True
        self._woken.set()
        assert self._round  # noqa: S101 - it was started
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                await self._round
                while self._sending:
                    await asyncio.wait(self._sending)
        left = [self._round, *self._sending]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _run(self, client: httpx.AsyncClient) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                wait = await self._look(client)
            except TROUBLE as trouble:
                log.warning("deliveries_not_claimed", reason=type(trouble).__name__)
                wait = POLL
            except Exception as error:
                logs.bug(log, error)
                wait = POLL
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait, POLL)):
                    await self._woken.wait()

    async def _look(self, client: httpx.AsyncClient) -> float:
        """Claim what there is room for and begin to send it; how long to wait for more."""
        room = AT_ONCE - len(self._sending)
        if not room:
            return POLL  # whoever ends wakes us
        begun = time.monotonic()
        claim = orjson.loads(
            await self._database.call(
                "claim_deliveries",
                {
                    "p_worker": self._name,
                    "p_limit": room,
                    "p_providers": list(self._couriers),
                    "p_up_for": datetime.timedelta(seconds=begun - self._up_since),
                },
            )
        )
        claimed: Sequence[Delivery] = claim["deliveries"]
        lease = float(claim["lease_seconds"])
        for delivery in claimed:
            task = asyncio.create_task(self._send(client, delivery, begun, lease))
            self._sending.add(task)
            task.add_done_callback(self._ended)
        if claimed or claim["failed"]:
            return 0.0  # there may be more where they came from
        await asyncio.sleep(PACE)
        wait = claim["wait_seconds"]
        return POLL if wait is None else float(wait)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._sending.discard(task)
        self._woken.set()
        if not task.cancelled() and (error := task.exception()):
            logs.bug(log, error)

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
        for tries in range(10**9):
            try:
                result = orjson.loads(await self._database.call("settle_delivery_atomic", given))
            except TROUBLE as trouble:
                reason = type(trouble).__name__
            else:
                if not result["success"]:
                    log.error("delivery_not_settled", **_about(delivery), reason=result["error"])
                return
            delay = SETTLING_DELAYS[min(tries, len(SETTLING_DELAYS) - 1)]
            if time.monotonic() + delay > until:
                log.error("delivery_not_settled", **_about(delivery), reason=reason)
                return
            await asyncio.sleep(delay)


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
