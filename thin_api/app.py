"""The ASGI application: routes, middleware, exception handlers, life and death."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

import orjson
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from thin_api import chatkit, logs, metrics, openapi, pages, rpc, settings
from thin_api.auth import Authenticator
from thin_api.batch import Sender
from thin_api.db import Database, Refused, UnexpectedError
from thin_api.deliveries import Deliveries
from thin_api.endpoints import Endpoint, Services
from thin_api.errors import Cause, Failure
from thin_api.exchange import JSON_HEADERS, POSTGREST, Disconnected, Exchange, exchange_of
from thin_api.hub import Hub
from thin_api.receiver import Receiver
from thin_api.routes import OPERATIONS, Operation
from thin_api.run_stream import RunEndpoint, Streams
from thin_api.runs import Runs
from thin_api.settings import Settings
from thin_api.sockets import SOCKET_PATH, STREAM_PATH, Sockets, Stream
from thin_api.webhooks import webhooks

log = structlog.get_logger(__name__)

POOL_SAMPLING = 1.0
REFUSED_STATE = re.compile(r"PT4[0-9][0-9]")
POSTGREST_CODES = {"unauthenticated": "PGRST301", "too_large": "PT413"}


def from_environment() -> ASGIApp:
    """Make the application of a worker process."""
    values = settings.with_secret(settings.load())
    logs.configure(values)
    return create_app(values)


def create_app(values: Settings) -> ASGIApp:
    """Make the application."""
    database = Database(values)
    services = Services(values, database, Authenticator(values), Sender(database))
    hub = Hub(values, database)
    deliveries = Deliveries(values, database)
    database.on_commit = hub.kick
    hub.on_desk = deliveries.kick
    runs = Runs(values, database)
    hub.on_run = runs.kick

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await database.open()
        chores = [asyncio.create_task(_sample_pool(database)), asyncio.create_task(hub.run())]
        if values.maintain_every:
            chores.append(asyncio.create_task(_maintain(database, values.maintain_every)))
        async with deliveries.running(), runs.running():
            yield
        for chore in chores:
            chore.cancel()
        await services.authenticator.close()
        await database.close()
        log.info("stopped")

    application = Starlette(
        routes=routes(services, hub),
        middleware=list(_middleware(values)),
        exception_handlers={
            Failure: _on_failure,
            Refused: _on_refused,
            Disconnected: _on_disconnect,
            HTTPException: _on_http_exception,
            Exception: _on_bug,
        },
        lifespan=lifespan,
    )
    application.router.redirect_slashes = False
    return Observed(application)


def routes(services: Services, hub: Hub) -> Sequence[BaseRoute]:
    """List the routes; those that are called most come first."""
    by_path = attrgetter("path")
    paths = list(dict.fromkeys(operation.path for operation in OPERATIONS))
    sockets = Sockets(services, hub)
    streams = Streams(services, hub)
    operations = sorted(OPERATIONS, key=lambda operation: paths.index(operation.path))
    return [
        *(Route(one.path, one) for one in webhooks(services.settings, Receiver(services.database))),
        *(
            Route(path, _endpoint(path, list(group), services, streams))
            for path, group in groupby(operations, by_path)
        ),
        *(Route(path, rpc.RpcEndpoint(path, services)) for path in RPC_PATHS),
        Route(chatkit.PATH, chatkit.make_endpoint(services, hub, streams)),
        WebSocketRoute(SOCKET_PATH, sockets),
        Route(SOCKET_PATH, sockets),
        Route(STREAM_PATH, Stream(services, hub)),
        *(Route(page.path, page) for page in pages.pages(services)),
        Route(openapi.PATH, openapi.OpenApi(services)),
    ]


def _endpoint(
    path: str, operations: Sequence[Operation], services: Services, streams: Streams
) -> Endpoint:
    if any(operation.stream for operation in operations):
        return RunEndpoint(path, operations, services, streams)
    return Endpoint(path, operations, services)


RPC_PATHS = ("/rpc/{function}", "/rest/v1/rpc/{function}")


class Observed:
    """The outermost layer: gives each request its exchange, counts it, writes its log line."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and say what became of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = scope["exchange"] = Exchange(scope, receive, send)
        metrics.IN_FLIGHT.inc()
        try:
            await self.app(scope, receive, exchange.send)
        except Exception:  # noqa: S110 - answered and logged; uvicorn would print content
            pass
        finally:
            metrics.IN_FLIGHT.dec()
            _observe(exchange)


def _observe(exchange: Exchange) -> None:
    seconds = exchange.seconds
    metrics.observe_request(exchange.method, exchange.route, exchange.status, seconds)
    log.info(
        "request",
        request_id=exchange.request_id.decode(),
        method=exchange.method,
        route=exchange.route,
        status=exchange.status,
        ms=round(seconds * 1000, 2),
        user_id=exchange.user_id,
        function=exchange.function,
        **({"message_id": exchange.message_id} if exchange.message_id else {}),
    )


def _middleware(values: Settings) -> Iterator[Middleware]:
    origins = settings.web_origins(values)
    if origins:
        yield Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=["X-Request-Id", "Retry-After", "Proxy-Status"],
            max_age=3600,
        )


async def _sample_pool(database: Database) -> None:
    while True:
        metrics.observe_pool(database.pool)
        await asyncio.sleep(POOL_SAMPLING)


async def _maintain(database: Database, every: float) -> None:
    """Keep the database tidy; of several processes at it at once, it lets one."""
    while True:
        await asyncio.sleep(every)
        try:
            result = orjson.loads(await database.call("maintain", {}))
            if "outbox_left" in result:
                metrics.OUTBOX.set(result["outbox_left"])
        except (Failure, Refused, UnexpectedError) as error:
            log.warning("maintenance_failed", reason=type(error).__name__)


async def _on_failure(request: Request, error: Exception) -> Response:
    assert isinstance(error, Failure)  # noqa: S101 - Starlette's type for handlers is wider
    return _answer(exchange_of(request.scope), error)


async def _on_refused(request: Request, error: Exception) -> Response:
    """Tell the caller what the database told us, in the words of the surface used."""
    assert isinstance(error, Refused)  # noqa: S101
    exchange = exchange_of(request.scope)
    postgrest = exchange.dialect == POSTGREST
    if error.cause is Cause.RAISED and REFUSED_STATE.fullmatch(error.sqlstate):
        return _answer(exchange, _raised(error))
    if error.cause is Cause.ARGUMENT:
        code = error.sqlstate if postgrest else None
        return _answer(exchange, Failure("validation_error", error.message, code=code))
    if error.cause is Cause.FORBIDDEN and postgrest:
        return _answer(exchange, Failure("permission_denied", error.message, code=error.sqlstate))
    return await _on_bug(request, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    exchange = exchange_of(request.scope)
    if error.status_code == 404:
        return _answer(exchange, Failure("not_found", "there is nothing at this path"))
    return _answer(exchange, Failure("unsupported", error.detail, status=error.status_code))


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # for the log: nobody is there to read it


async def _on_bug(request: Request, error: Exception) -> Response:
    exchange = exchange_of(request.scope)
    failure = logs.bug(
        log,
        error,
        request_id=exchange.request_id.decode(),
        route=exchange.route,
        function=exchange.function,
    )
    return _answer(exchange, failure)


def _raised(error: Refused) -> Failure:
    """Read what api.must raised: SQLSTATE PTnnn, the refusal as its detail."""
    try:
        refusal = orjson.loads(error.details or "")
    except ValueError:
        refusal = None
    if not isinstance(refusal, dict):
        refusal = {}
    return Failure(
        str(refusal.get("error", "validation_error")),
        error.message,
        details=refusal.get("details", error.details),
        hint=error.hint,
        status=int(error.sqlstate[2:]),
        code=error.sqlstate,
    )


def _answer(exchange: Exchange, failure: Failure) -> Response:
    if exchange.dialect == POSTGREST:
        failure.code = POSTGREST_CODES.get(failure.error, failure.code)
    headers = [*JSON_HEADERS, *failure.headers, *exchange.error_headers(failure.code)]
    response = Response(failure.body(), failure.status)
    response.raw_headers = [(b"content-length", str(len(response.body)).encode()), *headers]
    return response
