"""`parley serve` with a worker that dies at a named point, as if killed with SIGKILL.

python -m tests.chaos.dying POINT serve
"""

import asyncio
import json
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
# taken: it has a run, and nobody was asked. saying, said: so it is with a piece of the answer, and
# completing, completed: with all of it.
RUN_POINTS = ("taken", "saying", "said", "completing", "completed")

# Which call a point is in the middle of, or just after; or after when it brought something.
DURING = {
    "settling": "settle_delivery_atomic",
    "saying": "append_run_delta",
    "completing": "complete_run_atomic",
}
AFTER = {
    "settled": "settle_delivery_atomic",
    "said": "append_run_delta",
    "completed": "complete_run_atomic",
}
BROUGHT = {"claimed": ("claim_deliveries", "deliveries"), "taken": ("claim_run", "data")}


def die() -> None:
    """End without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    """Lay the mine."""
    call, handle = Database.call, httpx.AsyncHTTPTransport.handle_async_request

    async def mined_call(self: Database, name: str, given: Mapping[str, Any]) -> bytes:
        if DURING.get(point) == name:
            _under_way.append(asyncio.ensure_future(call(self, name, given)))
            for _ in range(3):
                await asyncio.sleep(0)
            die()
        result = await call(self, name, given)
        claim, found = BROUGHT.get(point, (None, ""))
        if AFTER.get(point) == name or (claim == name and json.loads(result)[found]):
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
