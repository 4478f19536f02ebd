"""The path /chatkit: ChatKit's own protocol, as its widget speaks it."""

import asyncio
import contextlib
import logging
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

import orjson
import pydantic
import structlog
from chatkit.errors import ErrorCode
from chatkit.server import StreamingResult
from chatkit.store import NotFoundError
from chatkit.types import ChatKitReq, ErrorEvent
from starlette.types import Receive, Scope, Send

from thin_api import auth, errors, logs, sse
from thin_api.chatkit import PATH
from thin_api.chatkit.server import Context, ParleyChatKitServer, WithoutContent
from thin_api.endpoints import Services, answer_other_method
from thin_api.errors import Failure
from thin_api.exchange import Exchange, exchange_of
from thin_api.hub import Hub
from thin_api.run_stream import Streams
from thin_api.wire import connection_of

log = structlog.get_logger(__name__)

SECRET = b"ck_"  # begins a session's client_secret, and no JWT
DATA = b"data: "
THREAD_CREATED = b'data: {"type":"thread.created",'
REQUEST: pydantic.TypeAdapter[ChatKitReq] = pydantic.TypeAdapter(ChatKitReq)


class ChatKitEndpoint:
    """ChatKit's one path, as an ASGI application."""

    def __init__(self, services: Services, hub: Hub, streams: Streams) -> None:
        self._services = services
        self._streams = streams
        self._server = ParleyChatKitServer(services.database, hub)
        logging.getLogger("chatkit").addFilter(WithoutContent())

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        """Answer one request."""
        exchange = exchange_of(scope)
        exchange.route = PATH
        if exchange.method != "POST":
            await answer_other_method(exchange, b"OPTIONS, POST")
            return
        context = await self._context(exchange)
        exchange.user_id = context.actor_id
        body = await exchange.json_body(self._services.settings.max_body_bytes)
        exchange.function = _wanted(body)
        with _refusing():
            result = await self._server.process(body, context)
        if isinstance(result, StreamingResult):
            self._streams.refuse_more(context.actor_id)  # before anything is done
            with self._streams.counted(context.actor_id):
                await self._serve(_Stream(exchange, result.json_events, context.taken), context)
        else:
            await exchange.answer(200, result.json)

    async def _serve(self, stream: "_Stream", context: Context) -> None:
        async with stream.running():
            try:
                with _refusing():
                    await stream.begin()
            except Failure:
                if stream.new_thread_id:  # nobody has heard of it yet
                    await self._server.store.delete_thread(stream.new_thread_id, context)
                raise
            await stream.go_on()

    async def _context(self, exchange: Exchange) -> Context:
        """Learn who asks: from a session's secret, or from a token as everywhere else."""
        ending = connection_of(exchange.scope).ending
        secret = auth.bearer(exchange.headers)
        if not secret.startswith(SECRET):
            caller = await self._services.authenticator.caller(exchange.headers)
            if caller.actor_id is None:
                raise errors.invalid("X-Actor-Id", "is missing: this service token has no subject")
            return Context(caller.actor_id, None, ending, asyncio.Event())
        given = {"p_client_secret": secret.decode("latin-1")}
        result = orjson.loads(await self._services.database.call("authenticate_session", given))
        if not result["success"]:
            raise auth.unauthenticated(result["message"])
        return Context(result["user_id"], result["session_id"], ending, asyncio.Event())


class _Stream:
    """ChatKit's events on their way to a client.

    They are made in one task that waits nowhere but in the answer, so that a client who goes away
    interrupts just that: ChatKit then notes that the answer was cut short. So it is the answer that
    waits for a slow client, by `taken`, and not this queue.
    """

    def __init__(
        self, exchange: Exchange, events: AsyncIterator[bytes], taken: asyncio.Event
    ) -> None:
        self.new_thread_id: str | None = None
        self._exchange = exchange
        self._made: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._taken = taken
        self._making = asyncio.create_task(self._make(events))
        self._is_left = False
        self._held = b""
        self._events = self._next()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make events as long as this lasts and the client is there."""
        leaving = asyncio.create_task(self._leave())
        try:
            yield
        finally:
            leaving.cancel()
            self._making.cancel()
            await asyncio.wait([self._making])

    async def begin(self) -> None:
        """Wait until the request is known to succeed, as long as a refusal can have its status.

        A new thread is known by its first message.
        """
        async for event in self._events:
            self._held += event
            if event.startswith(THREAD_CREATED):
                self.new_thread_id = orjson.loads(event.removeprefix(DATA))["thread"]["id"]
            elif event != sse.COMMENT:
                return
        if not self._is_left:
            # ChatKit says nothing at all when the item to try again after is not in the thread.
            raise Failure("not_found", "there is no such item")

    async def go_on(self) -> None:
        """Send everything; what goes wrong now is the last event."""
        await self._exchange.send(sse.start())
        await self._send(self._held)
        try:
            async for event in self._events:
                await self._send(event)
        except Exception as error:
            await self._send(_told(error))
        await self._exchange.send(sse.chunk(b"", last=True))

    async def _send(self, chunk: bytes) -> None:
        try:
            async with asyncio.timeout(sse.PATIENCE):
                await self._exchange.send(sse.chunk(chunk))
        except TimeoutError:
            connection_of(self._exchange.scope).abort()

    async def _make(self, events: AsyncIterator[bytes]) -> None:
        try:
            async for event in events:
                self._taken.clear()
                self._made.put_nowait(event)
        finally:
            self._made.put_nowait(None)

    async def _leave(self) -> None:
        """Stop when the client is gone."""
        await self._exchange.gone()
        self._is_left = True
        self._making.cancel()

    async def _next(self) -> AsyncGenerator[bytes, None]:
        """Yield events, and comments to show that we are there; what ended them early is raised."""
        while True:
            if self._made.empty():
                self._taken.set()
            try:
                async with asyncio.timeout(sse.HEARTBEAT):
                    event = await self._made.get()
            except TimeoutError:
                event = sse.COMMENT
            if event is None:
                break
            yield event
        if not self._is_left:
            self._making.result()


def _wanted(body: bytes) -> str:
    """Read what is asked for, which ChatKit reads again; Failure names what is wrong with it."""
    try:
        return str(REQUEST.validate_json(body).type)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"][1:])) or "body"  # the first is the request's type
        raise errors.invalid(field, f"cannot be read: {first['msg']}") from None


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Turn what ChatKit raises about a request into a refusal of it."""
    try:
        yield
    except NotFoundError as error:
        raise Failure("not_found", str(error)) from None
    except ValueError as error:
        if not _is_raised_by_chatkit(error):
            raise
        raise Failure("validation_error", str(error)) from None


def _is_raised_by_chatkit(error: ValueError) -> bool:
    """Tell ChatKit's own check of a request from a bug that happens to raise the same class."""
    frame, _ = list(traceback.walk_tb(error.__traceback__))[-1]
    return type(error) is ValueError and frame.f_globals["__name__"] == "chatkit.server"


def _told(error: Exception) -> bytes:
    """Tell what went wrong by an event, as the status has been sent."""
    if isinstance(error, Failure):
        event = ErrorEvent(message=error.message)
    else:
        logs.bug(log, error, route=PATH)
        event = ErrorEvent(code=ErrorCode.STREAM_ERROR, allow_retry=True)
    return DATA + event.model_dump_json(exclude_none=True).encode() + b"\n\n"
