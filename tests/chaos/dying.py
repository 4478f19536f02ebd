"""`parley serve` with a delivery worker that dies at a named point, as if killed with SIGKILL.

python -m tests.chaos.dying POINT serve
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from thin_api import cli
from thin_api.db import Database

# claimed: it has messages, and has called nobody. calling: just before the call. answered: the
# answer is there, nothing is done with it. settling: PostgreSQL may have got what became of it.
# settled: it has, and nobody here was told.
POINTS = ("claimed", "calling", "answered", "settling", "settled")


def die() -> None:
    """End without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    """Lay the mine."""
    call, handle = Database.call, httpx.AsyncHTTPTransport.handle_async_request

    async def mined_call(self: Database, name: str, given: Mapping[str, Any]) -> bytes:
        if name == "settle_delivery_atomic" and point == "settling":
            _under_way.append(asyncio.ensure_future(call(self, name, given)))
            for _ in range(3):
                await asyncio.sleep(0)
            die()
        result = await call(self, name, given)
        if name == "settle_delivery_atomic" and point == "settled":
            die()
        if name == "claim_deliveries" and point == "claimed" and b'"deliveries": []' not in result:
            die()
        return result

    async def mined_handle(
        self: httpx.AsyncHTTPTransport, request: httpx.Request
    ) -> httpx.Response:
        if point == "calling":
            die()
        response = await handle(self, request)
        if point == "answered":
            die()
        return response

    _replace(Database, "call", mined_call)
    _replace(httpx.AsyncHTTPTransport, "handle_async_request", mined_handle)


def _replace(owner: type, name: str, function: Callable[..., Any]) -> None:
    setattr(owner, name, function)


_under_way: list[Any] = []

if __name__ == "__main__":
    arm(sys.argv[1])
    sys.exit(cli.main(sys.argv[2:]))
