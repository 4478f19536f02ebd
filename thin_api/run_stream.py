"""An answer as it is being given: a run followed from whatever its reader has already.

The hub only says that there may be something new; what it is, is read from the database, from the
reader's place on. So a stream may begin at any time and in any process, and what was missed on the
way is in the next look.
"""

import asyncio
import contextlib
import dataclasses
import re
import time
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any

import orjson
import structlog

from thin_api import arguments, errors, frames, logs, metrics, sse
from thin_api.auth import Caller, unauthenticated
from thin_api.db import Database
from thin_api.endpoints import Endpoint, Services
from thin_api.errors import Failure
from thin_api.exchange import Exchange
from thin_api.hub import Hub
from thin_api.routes import Operation
from thin_api.watches import UNTOLD, Watch
from thin_api.wire import connection_of

log = structlog.get_logger(__name__)

GET_RUN = "get_run"
ACTIVE = frozenset({"queued", "in_progress"})
EVENT_ID = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """How much of an answer its reader has: so many characters of one attempt at it."""

    attempt: int
    characters: int

    def __str__(self) -> str:
        return f"{self.attempt}:{self.characters}"


BEGINNING = Place(0, 0)


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What get_run gave."""

    body: bytes
    run: Mapping[str, Any]

    @property
    def is_over(self) -> bool:
        """Tell whether the run has ended, well or not."""
        return self.run["status"] not in ACTIVE

    @property
    def end(self) -> Place:
        """Return where the reader is who takes this in."""
        return Place(self.run["attempt"], self.run["offset"] + len(self.run["content"]))


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """More of the answer, after so many characters of this attempt: at 0 it starts over."""

    attempt: int
    offset: int
    content: str


@dataclasses.dataclass(frozen=True, slots=True)
class Ending:
    """The end of a run: get_run's whole result."""

    body: bytes
    run: Mapping[str, Any]


News = Piece | Ending | None  # None: nothing new, but we are there


class Following:
    """Follows one run for one reader."""

    def __init__(
        self,
        database: Database,
        hub: Hub,
        *,
        conversation_id: str,
        run_id: str,
        actor_id: str | None,
        place: Place = BEGINNING,
    ) -> None:
        self._database = database
        self._hub = hub
        self.conversation_id = conversation_id
        self.run_id = run_id
        self.place = place
        self._given: dict[str, Any] = {
            "p_conversation_id": conversation_id,
            "p_run_id": run_id,
            **({"p_actor_id": actor_id} if actor_id else {}),
        }
        self._watch: Watch | None = None
        self._is_ended = False

    def end(self) -> None:
        """Stop following; the run goes on."""
        self._is_ended = True
        if self._watch is not None:
            self._watch.ring()

    @contextlib.contextmanager
    def until(self, *happenings: Coroutine[Any, Any, Any]) -> Iterator[None]:
        """Stop following once any of these is done."""
        tasks = [asyncio.create_task(happening) for happening in happenings]
        for task in tasks:
            task.add_done_callback(lambda _: self.end())
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    async def news(self) -> AsyncGenerator[News, None]:
        """Yield what is new, up to the run's end or ours; Failure: it cannot be read any more."""
        is_told = False
        with self._hub.watch(self.conversation_id) as watch:
            self._watch = watch
            while not self._is_ended:
                look = await self._look()
                if look is None:
                    yield None
                    await watch.wait(UNTOLD)
                    continue
                self.place = look.end
                if look.run["content"] and not is_told:
                    yield Piece(look.run["attempt"], look.run["offset"], look.run["content"])
                elif not look.is_over:
                    yield None
                if not look.is_over:
                    await watch.wait(sse.HEARTBEAT)
                elif look.run["offset"] == 0:
                    yield Ending(look.body, look.run)
                    return
                else:  # once more, for the whole of it
                    self.place, is_told = BEGINNING, True

    async def _look(self) -> Look | None:
        """Look at the run from the reader's place on; None while the database is away."""
        given = {**self._given, "p_after": self.place.characters}
        if self.place.attempt:
            given["p_attempt"] = self.place.attempt
        try:
            body = await self._database.call(GET_RUN, given)
        except Failure as failure:
            if failure.status != 503:
                raise
            return None
        refusal = errors.refused(body)
        if refusal is not None:
            status = await self._database.status(refusal["error"])
            raise Failure(refusal["error"], refusal["message"], status=status or 500)
        return Look(body, orjson.loads(body)["data"])


class RunEndpoint(Endpoint):
    """A path of runs: its answer may be a stream of server-sent events."""

    def __init__(
        self, path: str, operations: Sequence[Operation], services: Services, streams: "Streams"
    ) -> None:
        super().__init__(path, operations, services)
        self._streams = streams

    async def _caller(self, exchange: Exchange, operation: Operation) -> Caller:
        if not _is_stream(operation):
            return await super()._caller(exchange, operation)
        return await self._services.authenticator.streamer(exchange.headers, exchange.query())

    def _query(self, exchange: Exchange, operation: Operation) -> dict[str, str]:
        query = super()._query(exchange, operation)
        if _is_stream(operation):
            query.pop("access_token", None)
            last = exchange.headers.get(b"last-event-id")
            if last:
                query["attempt"], query["after"] = _place(last.decode("latin-1"))
        return query

    async def _body(self, exchange: Exchange, operation: Operation) -> dict[str, Any]:
        body = await super()._body(exchange, operation)
        if operation.stream:
            stream = body.pop("stream", None)
            exchange.wants_stream = stream is not None and arguments.boolean("stream", stream)
        return body

    async def _given(
        self, exchange: Exchange, operation: Operation, caller: Caller
    ) -> dict[str, Any]:
        given = await super()._given(exchange, operation, caller)
        if exchange.wants_stream or _is_stream(operation):
            self._streams.refuse_more(caller.actor_id)  # before anything is done
        return given

    async def _answer(
        self,
        exchange: Exchange,
        operation: Operation,
        caller: Caller,
        given: Mapping[str, Any],
        result: bytes,
    ) -> None:
        is_stream = exchange.wants_stream or _is_stream(operation)
        if not is_stream or errors.refused(result) is not None:
            await super()._answer(exchange, operation, caller, given, result)
            return
        if exchange.method == "HEAD":
            await exchange.send(sse.start())
            await exchange.send(sse.chunk(b"", last=True))
            return
        await self._streams.serve(
            exchange,
            caller,
            conversation_id=given["p_conversation_id"],
            run_id=orjson.loads(result)["run_id"],
            place=Place(given.get("p_attempt", 0), given.get("p_after", 0)),
            created=result if exchange.wants_stream else None,
        )


class Streams:
    """The streams that are open, each with a reader who takes pieces as fast as they can.

    The next look waits until what the last one gave was sent: a slow reader is told less often, not
    behind a queue that grows.
    """

    def __init__(self, services: Services, hub: Hub) -> None:
        self._database = services.database
        self._most = services.settings.sockets_per_user
        self._hub = hub
        self._open: Counter[str | None] = Counter()

    async def serve(
        self,
        exchange: Exchange,
        caller: Caller,
        *,
        conversation_id: str,
        run_id: str,
        place: Place,
        created: bytes | None,
    ) -> None:
        """Answer with a stream that ends with the run, its reader, the server, or the token."""
        following = Following(
            self._database,
            self._hub,
            conversation_id=conversation_id,
            run_id=run_id,
            actor_id=caller.actor_id,
            place=place,
        )
        connection = connection_of(exchange.scope)
        with (
            self.counted(caller.actor_id),
            following.until(exchange.gone(), connection.ending.wait()),
        ):
            await exchange.send(sse.start())
            try:
                async with contextlib.aclosing(_events(following, caller, created)) as blocks:
                    async for block in blocks:
                        async with asyncio.timeout(sse.PATIENCE):
                            await exchange.send(sse.chunk(block))
            except TimeoutError:
                connection.abort()
            await exchange.send(sse.chunk(b"", last=True))

    def refuse_more(self, user_id: str | None) -> None:
        """Raise a Failure when a user has too many streams open."""
        if self._open[user_id] >= self._most:
            raise Failure("rate_limited", "this user has too many streams open")

    @contextlib.contextmanager
    def counted(self, user_id: str | None) -> Iterator[None]:
        """Count a stream as long as this lasts."""
        self._open[user_id] += 1
        metrics.SOCKETS.labels("run").inc()
        try:
            yield
        finally:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]
            metrics.SOCKETS.labels("run").dec()


async def _events(
    following: Following, caller: Caller, created: bytes | None
) -> AsyncGenerator[bytes, None]:
    """Write what is new as events; what hinders that is the last of them."""
    yield sse.START
    if created is not None:
        yield sse.event("run_created", created, str(following.place))
    try:
        async with contextlib.aclosing(following.news()) as news:
            async for one in news:
                if time.time() >= caller.expires:
                    raise unauthenticated("the token has expired")  # noqa: TRY301
                yield _written(following, one)
    except Failure as failure:
        yield sse.event("error", frames.failed(failure).body)
    except Exception as error:
        yield sse.event("error", frames.failed(logs.bug(log, error)).body)


def _written(following: Following, news: News) -> bytes:
    """Write one thing that is new."""
    if news is None:
        return sse.COMMENT
    if isinstance(news, Ending):
        name = "run_completed" if news.run["status"] == "completed" else "run_failed"
        return sse.event(name, news.body, str(following.place))
    piece = {
        "type": frames.RUN_DELTA,
        "conversation_id": following.conversation_id,
        "run_id": following.run_id,
        **dataclasses.asdict(news),
    }
    return sse.event(frames.RUN_DELTA, orjson.dumps(piece), str(following.place))


def _is_stream(operation: Operation) -> bool:
    """Tell whether this is a path whose answer is always a stream."""
    return operation.stream and operation.method == "GET"


def _place(text: str) -> tuple[str, str]:
    """Read the id of an event."""
    found = EVENT_ID.fullmatch(text)
    if found is None:
        raise errors.invalid("Last-Event-ID", "is not the id of an event of this stream")
    return found[1], found[2]
