"""A provider that is not there: takes messages as WhatsApp and Twilio do, or refuses, or vanishes.

It remembers what it took, by the callback sent along, and tells of it by webhooks until somebody
listens, as the real ones do.
"""

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import hmac
import itertools
import json
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.served import abort, breakable, served

WHATSAPP_SECRET = "the app's secret"
TWILIO_TOKEN = "the account's token"
RETRIES = 0.1  # seconds between attempts to bring a webhook

# accept: take it. cut: break the connection, before or after having taken it. hang: the same, but
# leave the connection open and say nothing.
Way = Literal["accept", "cut_before", "cut_after", "hang_before", "hang_after"]
Point = Literal["arrived", "taken"]


@dataclasses.dataclass(frozen=True)
class Refusal:
    """An answer that is no success."""

    status: int
    code: int | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


THROTTLED = Refusal(429, 130429)
UNDELIVERABLE = Refusal(400, 131026)
WINDOW_CLOSED = Refusal(400, 131047)
BAD_TOKEN = Refusal(401, 190)
AWAY = Refusal(503)


@dataclasses.dataclass(frozen=True)
class Taken:
    """A message that was taken."""

    provider_message_id: str
    callback: str | None
    body: dict[str, Any]


class FakeProvider:
    """What a test sees of it."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.requests: list[Request] = []
        self.choose: Callable[[], Way | Refusal] = lambda: "accept"
        # Where webhooks go; none: nobody is told.
        self.webhooks: str | None = None
        self.tells: Sequence[str] = ("sent", "delivered")
        self.answers: dict[str, Any] = {}  # more to be said of who a message went to
        self.slowness = 0.0  # seconds between taking a message and answering
        self.url = ""
        self._next: deque[Way | Refusal] = deque()
        self._numbers = itertools.count(1)
        self._hooks: dict[Point, Callable[[], None]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._client = httpx.AsyncClient(timeout=5, verify=False)
        self._app = Starlette(
            routes=[
                Route("/v23.0/{address}/messages", _Taking(self, self._whatsapp)),
                Route("/2010-04-01/Accounts/{sid}/Messages.json", _Taking(self, self._twilio)),
            ],
            lifespan=self._life,
        )

    @property
    def counts(self) -> Counter[str | None]:
        """How often each message was taken, by its callback."""
        return Counter(one.callback for one in self.taken)

    def then(self, *ways: Way | Refusal) -> None:
        """Say what becomes of the next requests."""
        self._next.extend(ways)

    def once(self, point: Point, act: Callable[[], None]) -> None:
        """Do something when the next request has come so far."""
        self._hooks[point] = act

    def tell(self, one: Taken, status: str, **more: Any) -> None:
        """Tell of a message taken by WhatsApp, as a webhook that is not repeated."""
        assert self.webhooks
        body, headers = _status(one, "1001", status, **more)
        httpx.post(f"{self.webhooks}/webhooks/whatsapp", content=body, headers=headers)

    def reach(self, point: Point) -> None:
        """Note that a request has come so far."""
        if act := self._hooks.pop(point, None):
            act()

    def way(self) -> Way | Refusal:
        """Say what becomes of this request."""
        return self._next.popleft() if self._next else self.choose()

    @contextlib.asynccontextmanager
    async def _life(self, _app: Starlette) -> AsyncIterator[None]:
        async with self._client:
            yield
            for task in self._telling:
                task.cancel()
            await asyncio.gather(*self._telling, return_exceptions=True)

    async def _whatsapp(self, request: Request) -> Response:
        body = json.loads(await request.body())
        one = Taken(f"wamid.{next(self._numbers)}", body.get("biz_opaque_callback_data"), body)
        self._take(one)
        address = request.path_params["address"]
        self._tell("/webhooks/whatsapp", [_status(one, address, word) for word in self.tells])
        to = body.get("to") or body.get("recipient")
        contact = {"input": to, "wa_id": body.get("to"), **self.answers}
        return JSONResponse(
            {
                "messaging_product": "whatsapp",
                "contacts": [{name: value for name, value in contact.items() if value}],
                "messages": [{"id": one.provider_message_id}],
            }
        )

    async def _twilio(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        url = form.get("StatusCallback")
        callback = dict(parse_qsl(urlsplit(url).query)).get("callback") if url else None
        one = Taken(f"SM{next(self._numbers)}", callback, form)
        self._take(one)
        if url:
            target = urlsplit(url)
            told = [_form(url, one, form["From"], word) for word in self.tells]
            self._tell(f"{target.path}?{target.query}", told)
        return JSONResponse({"sid": one.provider_message_id, "status": "queued"}, 201)

    def _take(self, one: Taken) -> None:
        self.taken.append(one)

    def _tell(self, path: str, told: Sequence[tuple[bytes, dict[str, str]]]) -> None:
        for body, headers in told if self.webhooks else ():
            task = asyncio.get_running_loop().create_task(self._bring(path, body, headers))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _bring(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        """Bring a webhook until it is taken."""
        while True:
            with contextlib.suppress(httpx.TransportError):
                url = f"{self.webhooks}{path}"
                if (await self._client.post(url, content=body, headers=headers)).is_success:
                    return
            await asyncio.sleep(RETRIES)

    @contextlib.contextmanager
    def serving(self) -> Iterator["FakeProvider"]:
        """Serve in a thread."""
        with served(breakable(self._app)) as self.url:
            yield self


class _Taking:
    """One path, as an ASGI application: it may break the connection instead of answering."""

    def __init__(self, provider: FakeProvider, take: Callable[[Request], Any]) -> None:
        self._provider = provider
        self._take = take

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await request.body()
        provider = self._provider
        provider.requests.append(request)
        way = provider.way()
        provider.reach("arrived")
        if isinstance(way, Refusal):
            await _refuse(way)(scope, receive, send)
            return
        answer: Response | None = None
        if way in ("accept", "cut_after", "hang_after"):
            answer = await self._take(request)
            provider.reach("taken")
            await asyncio.sleep(provider.slowness)
        if way.startswith("cut"):
            abort(scope)
        elif way.startswith("hang"):
            while (await receive())["type"] != "http.disconnect":
                pass
        elif answer:
            await answer(scope, receive, send)


def _refuse(refusal: Refusal) -> Response:
    error = {"message": "no", "code": refusal.code, "error_data": {"details": "not now"}}
    # Twilio tells the code at the top.
    body = {"error": error, "code": refusal.code, "message": "no"} if refusal.code else {}
    return JSONResponse(body, refusal.status, refusal.headers)


def _status(one: Taken, address: str, status: str, **more: Any) -> tuple[bytes, dict[str, str]]:
    """Write the webhook that tells of a status, signed."""
    told = {
        "id": one.provider_message_id,
        "status": status,
        "timestamp": str(int(time.time())),
        "recipient_id": one.body.get("to", "1"),
        "biz_opaque_callback_data": one.callback,
        **more,
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "1555", "phone_number_id": address},
        "statuses": [told],
    }
    change = {"field": "messages", "value": value}
    document = {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}
    body = json.dumps(document).encode()
    digest = hmac.digest(WHATSAPP_SECRET.encode(), body, hashlib.sha256).hex()
    return body, {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={digest}"}


def _form(url: str, one: Taken, sender: str, status: str) -> tuple[bytes, dict[str, str]]:
    """Write Twilio's form that tells of a status, signed."""
    form = {
        "MessageSid": one.provider_message_id,
        "MessageStatus": status,
        "From": sender,
        "To": one.body["To"],
        "AccountSid": "AC1",
    }
    signed = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    digest = hmac.digest(TWILIO_TOKEN.encode(), signed.encode(), hashlib.sha1)
    return urlencode(form).encode(), {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": base64.b64encode(digest).decode(),
    }
