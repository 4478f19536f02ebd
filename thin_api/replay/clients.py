"""The HTTP side of a replay: many clients, each with a connection of its own."""

import asyncio
import functools
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx

from thin_api import auth
from thin_api.settings import Settings

PATIENCE = 60.0  # seconds a server may be away before a replay gives up
FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0
BUSY = frozenset({429, 502, 503, 504})
TOKEN_LIFE = 24 * 3600


class ReplayError(Exception):
    """Why a replay cannot go on; the message is for whoever runs it."""


class RefusedError(ReplayError):
    """The server refused a request, with the code and details it told."""

    def __init__(self, request: str, status: int, body: Mapping[str, Any]) -> None:
        self.code = str(body.get("error") or status)
        self.details = body.get("details") or {}
        super().__init__(f"{request}: {status} {self.code}: {body.get('message')}")


class Tokens:
    """Tokens for everyone in the log, made here with the server's key and kept."""

    def __init__(self, settings: Settings) -> None:
        if not settings.jwt_secret:
            raise ReplayError(
                "a replay makes its own tokens: set PARLEY_JWT_SECRET as the server's"
            )
        self._settings = settings
        self._made: dict[str | None, str] = {}

    def of(self, user_id: str) -> str:
        """Return the token of a user."""
        return self._token(user_id)

    def of_service(self) -> str:
        """Return a token that may create users."""
        return self._token(None)

    def _token(self, user_id: str | None) -> str:
        if user_id not in self._made:
            self._made[user_id] = auth.issue(
                self._settings, user_id, seconds=TOKEN_LIFE, service=user_id is None
            )
        return self._made[user_id]


class Client:
    """One connection; a request is repeated unchanged until it is answered."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ask(
        self,
        method: str,
        path: str,
        token: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> dict[str, Any]:
        """Return the body of a success, or raise the refusal.

        What is sent again is the same to the last byte, so its keys make the server answer it once.
        """
        give_up, wait = time.monotonic() + PATIENCE, FIRST_WAIT
        while True:
            try:
                response = await self._http.request(
                    method,
                    path,
                    json=json,
                    params=params,
                    headers={"Authorization": f"Bearer {token}"},
                )
            except httpx.TransportError as error:
                trouble, told = f"{type(error).__name__} {error}".strip(), None
            else:
                if response.status_code not in BUSY:
                    return _body(f"{method} {path}", response)
                trouble, told = str(response.status_code), response.headers.get("Retry-After")
            pause = min(float(told), LONGEST_WAIT) if told and told.isdigit() else wait
            if time.monotonic() + pause > give_up:
                raise ReplayError(f"{method} {path}: no answer for {PATIENCE:.0f} s ({trouble})")
            await asyncio.sleep(pause)
            wait = min(2 * wait, LONGEST_WAIT)


def _body(request: str, response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = {"message": response.text[:200]}
    if response.is_success and isinstance(body, dict) and body.get("success"):
        return body
    raise RefusedError(request, response.status_code, body if isinstance(body, dict) else {})


@asynccontextmanager
async def connect(base_url: str, count: int) -> AsyncIterator[list[Client]]:
    """Open `count` clients of a server."""
    tls = _tls()
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=4.0)
    async with AsyncExitStack() as stack:
        yield [
            Client(
                await stack.enter_async_context(
                    httpx.AsyncClient(base_url=base_url, limits=limits, timeout=30.0, verify=tls)
                )
            )
            for _ in range(count)
        ]


@functools.cache
def _tls() -> ssl.SSLContext:
    """Read the certificates of this machine once, not for every client."""
    return ssl.create_default_context()
