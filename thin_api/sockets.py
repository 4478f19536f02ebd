"""Sockets: /v1/ws, and the same stream as server-sent events at /v1/events."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from thin_api import arguments, errors, frames, logs, settings, sse
from thin_api.auth import Caller, unauthenticated
from thin_api.db import Refused, UnexpectedError
from thin_api.endpoints import Services, answer_other_method
from thin_api.errors import Failure
from thin_api.exchange import Exchange, exchange_of
from thin_api.frames import Frame
from thin_api.hub import NO_HELLO, TOO_SLOW, UNAUTHENTICATED, Hub, Subscriber, close_code
from thin_api.wire import CLOSING_TIMEOUT, WebSocketProtocol, connection_of, socket_of

log = structlog.get_logger(__name__)

SOCKET_PATH = "/v1/ws"
STREAM_PATH = "/v1/events"
HELLO_TIMEOUT = 10.0
LONGEST_WAIT = 86_400.0  # seconds; timers do not take the year 9999
INTERNAL = 1011
PONG = Frame(orjson.dumps({"type": "pong"}))
# What a client may send once it is welcome: the function called, and the fields it takes.
CALLS: Mapping[str, tuple[str, Mapping[str, arguments.Convert]]] = {
    "read": (
        "mark_read_atomic",
        {"conversation_id": arguments.uuid, "seq": arguments.CONVERTERS["bigint"]},
    ),
    "delivered": (
        "mark_delivered_atomic",
        {"conversation_id": arguments.uuid, "seq": arguments.CONVERTERS["bigint"]},
    ),
    "typing": ("announce_typing", {"conversation_id": arguments.uuid}),
}


class WebSocketSink:
    """A WebSocket as the hub sees it."""

    kind = "ws"

    def __init__(self, connection: WebSocketProtocol, most_behind: int) -> None:
        self._connection = connection
        self._most_behind = most_behind

    def write(self, batch: list[Frame]) -> None:
        """Send frames at once; a client that did not take the last ones is closed, to resume."""
        frames = batch[0].wire if len(batch) == 1 else b"".join([frame.wire for frame in batch])
        if not self._connection.write(frames, self._most_behind):
            self.close(TOO_SLOW, "too slow: reconnect with cursors")

    async def drained(self) -> None:
        """Wait until the client has taken most of what was sent."""
        await asyncio.sleep(0)  # the event loop writes when it has its turn
        await self._connection.drained()

    def close(self, code: int, reason: str) -> None:
        """Close it."""
        self._connection.close(code, reason)


class StreamSink:
    """A stream of server-sent events as the hub sees it."""

    kind = "sse"

    def __init__(self, most_behind: int, abort: Callable[[], None]) -> None:
        self._most_behind = most_behind
        self._abort = abort
        self._aborting: asyncio.TimerHandle | None = None
        self._waiting = bytearray()
        self.is_sending = False
        self._something = asyncio.Event()
        self._taken = asyncio.Event()
        self.closed = False

    def write(self, batch: list[Frame]) -> None:
        """Send frames soon; a client that did not take the last ones is cut off, to resume."""
        if self.closed:
            return
        if self.is_sending and len(self._waiting) > self._most_behind:
            self.close(TOO_SLOW, "too slow: reconnect with cursors")
            return
        for frame in batch:
            self._waiting += frame.sse
        self._taken.clear()
        self._something.set()

    async def drained(self) -> None:
        """Wait until everything was sent."""
        while self._waiting and not self.closed:
            await self._taken.wait()

    def close(self, code: int, reason: str) -> None:
        """End it, with a last word."""
        if not self.closed:
            error = "unauthenticated" if code == UNAUTHENTICATED else "unavailable"
            self._waiting += frames.error({"error": error, "message": reason}).sse
            self.end()

    def end(self) -> None:
        """End it; a client that does not take what was sent by then is cut off."""
        self.closed = True
        self._something.set()
        self._taken.set()
        loop = asyncio.get_running_loop()
        self._aborting = self._aborting or loop.call_later(CLOSING_TIMEOUT, self._abort)

    def ended(self) -> None:
        """Note that everything was sent, or there is nobody to send it to."""
        self.closed = True
        if self._aborting is not None:
            self._aborting.cancel()

    async def next(self) -> bytes:
        """Return what is to be sent now: events, or a comment that shows we are there."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(sse.HEARTBEAT):
                await self._something.wait()
        waiting, self._waiting = bytes(self._waiting), bytearray()
        if not self.closed:
            self._something.clear()
        self._taken.set()
        return waiting or sse.COMMENT


class Sockets:
    """The path /v1/ws, as an ASGI application."""

    def __init__(self, services: Services, hub: Hub) -> None:
        self._services = services
        self._hub = hub
        self._origins = frozenset(settings.web_origins(services.settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client until it leaves."""
        if scope["type"] == "http":
            _refuse_request(scope)
        await receive()
        if not self._is_welcome(dict(scope["headers"])):
            await send({"type": "websocket.close"})  # before it is accepted: HTTP 403
            return
        await send({"type": "websocket.accept"})
        await _Session(self._services, self._hub, scope, receive).run()

    def _is_welcome(self, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether a page of this origin may connect; who is no browser names none."""
        origin = headers.get(b"origin")
        if origin is None or "*" in self._origins:
            return True
        given = origin.decode("latin-1")
        own = headers.get(b"host", b"").decode("latin-1")
        return given in self._origins or _host_of(given) == own


class _Session:
    """One client of /v1/ws."""

    def __init__(self, services: Services, hub: Hub, scope: Scope, receive: Receive) -> None:
        self._services = services
        self._hub = hub
        self._headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self._receive = receive
        self._connection = socket_of(scope)
        self._sink = WebSocketSink(self._connection, services.settings.socket_backlog)

    async def run(self) -> None:
        """Say hello, then serve until the client leaves."""
        began = time.perf_counter()
        user_id: str | None = None
        try:
            async with asyncio.timeout(HELLO_TIMEOUT):
                hello = await self._frame()
                if hello is None:
                    return
                caller, cursors = await self._greeted(hello)
            user_id = caller.actor_id
            log.info("socket_opened", user_id=user_id, cursors=len(cursors))
            await self._serve(caller, cursors)
        except TimeoutError:
            self._connection.close(NO_HELLO, "no hello came in time")
        except Failure as failure:
            self._refuse(failure)
        finally:
            seconds = round(time.perf_counter() - began, 3)
            log.info("socket_closed", user_id=user_id, seconds=seconds)

    async def _greeted(self, hello: dict[str, Any]) -> tuple[Caller, dict[str, int]]:
        """Read who says hello and what they have already."""
        token = hello.get("token")
        if hello.get("type") != "hello" or not isinstance(token, str):
            raise unauthenticated("the first frame must be hello, with a token")
        _refuse_unknown(hello, ("type", "token", "cursors"))
        caller = (await self._services.authenticator.holder(token.encode())).acting_as(
            self._headers.get(b"x-actor-id")
        )
        if caller.actor_id is None:
            raise unauthenticated("the token names nobody whose events these would be")
        cursors = hello.get("cursors")
        return caller, _cursors({} if cursors is None else cursors)

    async def _serve(self, caller: Caller, cursors: Mapping[str, int]) -> None:
        assert caller.actor_id is not None  # noqa: S101 - _greeted has seen to it
        subscriber = Subscriber(caller.actor_id, self._sink)
        await self._hub.enter(subscriber)
        opening = asyncio.create_task(self._hub.start(subscriber, cursors))
        expiry = _Expiry(caller, self._sink.close)
        try:
            while (frame := await self._frame(caller.actor_id)) is not None:
                await self._answer(caller.actor_id, frame)
        finally:
            expiry.cancel()
            opening.cancel()
            self._hub.close(subscriber)

    async def _frame(self, user_id: str | None = None) -> dict[str, Any] | None:
        """Return the next frame that is a JSON object; None when the client has left."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return None
            try:
                content = orjson.loads(message.get("text") or b"")
            except ValueError:
                content = None
            if isinstance(content, dict):
                return content
            failure = errors.invalid("frame", "must be a JSON object, as text")
            if user_id is None:
                raise failure
            self._tell(failure, None)

    async def _answer(self, user_id: str, frame: dict[str, Any]) -> None:
        """Do what a client asks for; what comes of it is told by events."""
        kind = frame.get("type")
        if kind == "ping":
            self._sink.write([PONG])
            return
        try:
            if not isinstance(kind, str) or kind not in CALLS:
                raise errors.invalid("type", f"must be one of {', '.join(CALLS)} or ping")
            function, fields = CALLS[kind]
            _refuse_unknown(frame, ("type", *fields))
            if frame.get("conversation_id") is None:
                raise errors.invalid("conversation_id", "is missing")
            given = {
                f"p_{field}": convert(field, frame[field])
                for field, convert in fields.items()
                if frame.get(field) is not None
            }
            result = await self._services.database.call(function, {**given, "p_actor_id": user_id})
            refusal = errors.refused(result)
            if refusal is not None:
                self._sink.write([frames.error(refusal, **_context(frame))])
        except Failure as failure:
            self._tell(failure, frame)
        except (Refused, UnexpectedError) as error:
            self._tell(logs.bug(log, error), frame)

    def _tell(self, failure: Failure, frame: Mapping[str, Any] | None) -> None:
        self._sink.write([frames.failed(failure, **_context(frame or {}))])

    def _refuse(self, failure: Failure) -> None:
        """Tell why a socket cannot be opened, and close it."""
        self._tell(failure, None)
        self._connection.close(close_code(failure), failure.error)


class Stream:
    """The path /v1/events, as an ASGI application."""

    def __init__(self, services: Services, hub: Hub) -> None:
        self._services = services
        self._hub = hub

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Serve one client until it leaves."""
        exchange = exchange_of(scope)
        exchange.route = STREAM_PATH
        if exchange.method != "GET":
            await answer_other_method(exchange, b"GET, OPTIONS")
            return
        caller, cursors = await self._greeted(exchange)
        exchange.user_id = caller.actor_id
        connection = connection_of(scope)
        sink = StreamSink(self._services.settings.socket_backlog, connection.abort)
        subscriber = Subscriber(caller.actor_id or "", sink)
        await self._hub.enter(subscriber)
        watch = asyncio.create_task(_end_with(exchange, sink))
        ending = asyncio.create_task(_end_at(connection.ending, sink))
        opening = asyncio.create_task(self._hub.start(subscriber, cursors))
        expiry = _Expiry(caller, sink.close)
        try:
            await send(sse.start())
            await send(sse.chunk(sse.START))
            while not sink.closed:
                chunk = sse.chunk(await sink.next())
                sink.is_sending = True
                async with asyncio.timeout(sse.PATIENCE):
                    await send(chunk)
                sink.is_sending = False
            await send(sse.chunk(await sink.next(), last=True))
        except TimeoutError:
            connection.abort()
        finally:
            expiry.cancel()
            for task in (opening, watch, ending):
                task.cancel()
            sink.ended()
            self._hub.close(subscriber)

    async def _greeted(self, exchange: Exchange) -> tuple[Caller, dict[str, int]]:
        """Read who asks and what they have already."""
        query = exchange.query()
        caller = await self._services.authenticator.streamer(exchange.headers, query)
        _refuse_unknown(query, ("cursors",))
        if caller.actor_id is None:
            raise unauthenticated("the token names nobody whose events these would be")
        cursors = _cursors(_from_query(query.get("cursors", "")))
        last = exchange.headers.get(b"last-event-id")
        if last:
            for conversation_id, seq in _cursors(_from_query(last.decode("latin-1"))).items():
                cursors[conversation_id] = max(seq, cursors.get(conversation_id, 0))
        return caller, cursors


class _Expiry:
    """Closes a socket when its token expires."""

    def __init__(self, caller: Caller, close: Callable[[int, str], None]) -> None:
        self._expires = caller.expires
        self._close = close
        self._set()

    def cancel(self) -> None:
        """Do not."""
        self._timer.cancel()

    def _set(self) -> None:
        left = min(max(self._expires - time.time(), 0.0), LONGEST_WAIT)
        self._timer = asyncio.get_running_loop().call_later(left, self._check)

    def _check(self) -> None:
        if time.time() < self._expires:
            self._set()
        else:
            self._close(UNAUTHENTICATED, "the token has expired")


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _refuse_request(scope: Scope) -> NoReturn:
    exchange_of(scope).route = SOCKET_PATH
    upgrade = ((b"upgrade", b"websocket"), (b"connection", b"upgrade"))
    raise Failure("unsupported", "this path is a WebSocket", status=426, headers=upgrade)


async def _end_with(exchange: Exchange, sink: StreamSink) -> None:
    """End a stream when its client has gone."""
    await exchange.gone()
    sink.end()


async def _end_at(shutdown: asyncio.Event, sink: StreamSink) -> None:
    """End a stream when the server stops: its client comes back elsewhere."""
    await shutdown.wait()
    sink.end()


def _context(frame: Mapping[str, Any]) -> dict[str, Any]:
    """Say which frame an error answers."""
    context = {"request": frame.get("type"), "conversation_id": frame.get("conversation_id")}
    return {name: value for name, value in context.items() if isinstance(value, str)}


def _cursors(given: Any) -> dict[str, int]:
    """Read cursors: conversations and the last log number known of each."""
    if not isinstance(given, dict):
        raise errors.invalid("cursors", "must be an object of conversation ids and numbers")
    cursors = {}
    for conversation_id, seq in given.items():
        arguments.uuid("cursors", conversation_id)
        if isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq < 2**63:
            raise errors.invalid("cursors", "must hold whole numbers that are not negative")
        cursors[conversation_id.lower()] = seq
    return cursors


def _from_query(text: str) -> Any:
    """Read cursors written as JSON, or as id:seq between commas."""
    if text.startswith("{"):
        try:
            return orjson.loads(text)
        except ValueError:
            raise errors.invalid("cursors", "is not valid JSON") from None
    pairs = (pair.partition(":") for pair in text.split(",") if pair)
    return {
        conversation_id.strip(): int(seq) if arguments.WHOLE.fullmatch(seq.strip()) else None
        for conversation_id, _, seq in pairs
    }


def _refuse_unknown(given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for field in given:
        if field not in known:
            raise errors.invalid(field, "is not a field of this frame or request")
