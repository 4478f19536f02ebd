"""What is not a function call: probes, metrics and the reference page."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import orjson
from starlette.types import Receive, Scope, Send

from thin_api import errors, metrics
from thin_api.endpoints import Services, answer_other_method
from thin_api.exchange import JSON_HEADERS, Exchange, exchange_of
from thin_api.routes import OPERATIONS

WEB = Path(__file__).parent / "web"
TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
}
CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ALLOW = b"GET, HEAD, OPTIONS"

Answer = Callable[[Exchange], Awaitable[None]]


class Page:
    """One path that is read, as an ASGI application."""

    def __init__(self, path: str, answer: Answer) -> None:
        self.path = path
        self._answer = answer

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        """Answer one request."""
        exchange = exchange_of(scope)
        exchange.route = self.path
        if exchange.method in ("GET", "HEAD"):
            await self._answer(exchange)
        else:
            await answer_other_method(exchange, ALLOW)


def pages(services: Services) -> Sequence[Page]:
    """List the pages."""

    async def ready(exchange: Exchange) -> None:
        await services.database.ping()
        functions = services.database.catalogue.functions
        wanted = {operation.function for operation in OPERATIONS}
        if not wanted <= functions.keys():
            await services.database.refresh()
            functions = services.database.catalogue.functions
        missing = sorted(wanted - functions.keys())
        if missing:
            raise errors.unavailable(f"the database lacks functions: {', '.join(missing)}")
        await exchange.answer(200, SUCCESS)

    async def measure(exchange: Exchange) -> None:
        metrics.observe_pool(services.database.pool)
        headers = ((b"content-type", metrics.CONTENT_TYPE.encode()),)
        await exchange.answer(200, metrics.render(), headers)

    return [
        Page("/health", _health),
        Page("/ready", ready),
        Page("/metrics", measure),
        Page("/", _landing),
        _file("/parley.js", "parley.js"),
        _file("/docs", "reference.html"),
        _file("/docs/reference.js", "reference.js"),
        _file("/docs/reference.css", "reference.css"),
    ]


SUCCESS = orjson.dumps({"success": True})
LANDING = orjson.dumps(
    {
        "success": True,
        "name": "Parley",
        "reference": "/docs",
        "openapi": "/openapi.json",
        "health": "/health",
        "ready": "/ready",
        "metrics": "/metrics",
    }
)


async def _health(exchange: Exchange) -> None:
    await exchange.answer(200, SUCCESS)


async def _landing(exchange: Exchange) -> None:
    await exchange.answer(200, LANDING, JSON_HEADERS)


def _file(path: str, name: str) -> Page:
    content = (WEB / name).read_bytes()
    headers = (
        (b"content-type", TYPES[Path(name).suffix]),
        (b"content-security-policy", CONTENT_SECURITY_POLICY),
        (b"cache-control", b"no-cache"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    )

    async def answer(exchange: Exchange) -> None:
        await exchange.answer(200, content, headers)

    return Page(path, answer)
