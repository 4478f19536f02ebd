"""One HTTP request and its answer, read and written with as little as possible in between."""

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_to_bytes

from starlette.types import Message, Receive, Scope, Send

from thin_api import errors
from thin_api.errors import Failure, Headers

SANE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
JSON_TYPE = re.compile(rb"application/(?:[a-z0-9.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
BODY_TIMEOUT = 20.0
DRAINED = 4 * 1_048_576  # read and dropped of a body too large, so that its sender sees the answer
DRAIN_TIMEOUT = 2.0
QUERY_FIELDS = 100
CLOSE = (b"connection", b"close")
JSON_HEADERS = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


POSTGREST = "postgrest"


class Disconnected(Exception):  # noqa: N818 - nobody is left to be told
    """The client went away before its request was whole."""


class Exchange:
    """A request being answered; what is learned about it on the way ends up in its log line."""

    __slots__ = (
        "_receive",
        "_send",
        "dialect",
        "function",
        "headers",
        "message_id",
        "method",
        "path",
        "request_id",
        "route",
        "scope",
        "started",
        "status",
        "user_id",
        "wants_stream",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.method: str = scope["method"]
        self.path: Mapping[str, str] = {}
        self.started = time.perf_counter()
        given = self.headers.get(b"x-request-id")
        self.request_id = (
            given if given and SANE_ID.fullmatch(given) else secrets.token_hex(12).encode()
        )
        self.route = "unknown"
        self.function: str | None = None
        self.user_id: str | None = None
        self.message_id: str | None = None
        self.dialect = "parley"
        self.wants_stream = False
        self.status = 0

    @property
    def seconds(self) -> float:
        """How long this has taken so far."""
        return time.perf_counter() - self.started

    def error_headers(self, code: str) -> Headers:
        """Repeat an error's code where PostgREST's clients look when there is no body."""
        if self.dialect != POSTGREST:
            return ()
        return ((b"proxy-status", f"PostgREST; error={code}".encode()),)

    async def send(self, message: Message) -> None:
        """Pass the answer on, with the request's id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", self.request_id),
            ]
        await self._send(message)

    async def gone(self) -> None:
        """Wait until the client is gone, once its request was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def answer(self, status: int, body: bytes, headers: Headers = JSON_HEADERS) -> None:
        """Send a whole answer."""
        await self.send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, (b"content-length", str(len(body)).encode())],
            }
        )
        await self._send({"type": "http.response.body", "body": body})

    def read_path(self) -> Mapping[str, str]:
        """Return the path's parameters, refusing what is not UTF-8."""
        parameters: Mapping[str, str] = self.scope["path_params"]
        for name, value in parameters.items():
            if "\ufffd" in value and not _is_utf8(self.scope["raw_path"]):
                raise errors.invalid(name, "is not UTF-8")
        return parameters

    def query(self) -> dict[str, str]:
        """Return the query's parameters, refusing one that comes twice."""
        raw: bytes = self.scope["query_string"]
        if not raw:
            return {}
        try:
            pairs = parse_qsl(
                raw.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=QUERY_FIELDS,
            )
        except ValueError:
            raise errors.invalid("query", "is not a readable query string") from None
        parameters = dict(pairs)
        if len(parameters) < len(pairs):
            names = [name for name, _ in pairs]
            raise errors.invalid(next(n for n in names if names.count(n) > 1), "is given twice")
        return parameters

    async def json_body(self, limit: int) -> bytes:
        """Return the body, which must be JSON if there is one."""
        body = await self.body(limit)
        kind = self.headers.get(b"content-type")
        if body and kind is not None and not JSON_TYPE.fullmatch(kind):
            raise errors.invalid("Content-Type", "must be application/json")
        return body

    async def body(self, limit: int) -> bytes:
        """Read the body, as long as it is not larger than the limit and not too slow."""
        announced = self.headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > limit:
            await self._refuse_size(limit)
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            whole: bytes = message.get("body", b"")
            if len(whole) > limit:
                await self._refuse_size(limit)
            return whole
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                return await self._rest(message, limit)
        except TimeoutError:
            raise Failure(
                "validation_error",
                f"the body did not arrive within {BODY_TIMEOUT:g} seconds",
                details={"field": "body"},
                headers=(CLOSE,),
            ) from None

    async def _rest(self, message: Message, limit: int) -> bytes:
        read = bytearray()
        while True:
            if message["type"] == "http.disconnect":
                raise Disconnected
            read += message.get("body", b"")
            if len(read) > limit:
                await self._refuse_size(limit)
            if not message.get("more_body"):
                return bytes(read)
            message = await self._receive()

    async def _refuse_size(self, limit: int) -> None:
        """Let the sender finish, within reason, then refuse: a reset would hide the answer."""
        dropped = 0
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT):
                while dropped < DRAINED:
                    message = await self._receive()
                    dropped += len(message.get("body", b""))
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            pass
        raise Failure(
            "too_large",
            f"the body is larger than {limit} bytes",
            details={"field": "body", "limit": limit},
            headers=(CLOSE,),
        )


def exchange_of(scope: Scope) -> Exchange:
    """Find the exchange a request belongs to."""
    exchange: Exchange = scope["exchange"]
    return exchange


def _is_utf8(raw_path: bytes) -> bool:
    try:
        unquote_to_bytes(raw_path).decode()
    except UnicodeDecodeError:
        return False
    return True
