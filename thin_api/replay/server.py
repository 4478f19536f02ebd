"""The server a replay talks to: the one named, the one running here, or one of its own."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from thin_api.replay.clients import ReplayError
from thin_api.settings import Settings

POLL = 0.1

_SETTINGS = {"PARLEY_HOST": "127.0.0.1", "PARLEY_LOG": "error", "PARLEY_WORKERS": "1"}


@asynccontextmanager
async def find_server(base_url: str | None, settings: Settings) -> AsyncIterator[str]:
    """Yield the address of a server; one of our own stops when we leave."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    running = f"http://{host}:{settings.port}"
    if base_url:
        yield base_url
    elif await _says_yes(f"{running}/health"):
        yield running
    else:
        async with _own_server() as address:
            yield address


@asynccontextmanager
async def _own_server() -> AsyncIterator[str]:
    """Serve from a process beside us: serving and sending need not share a processor."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "thin_api.replay.passing", "serve"),
        env=os.environ | _SETTINGS | {"PARLEY_PORT": port},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        while not await _says_yes(f"{address}/ready"):
            if process.returncode is not None:
                raise ReplayError("the server did not start; it has said why")
            await asyncio.sleep(POLL)
        yield address
    finally:
        assert process.stdin  # noqa: S101 - it is a pipe
        process.stdin.close()
        await process.wait()


async def _says_yes(url: str) -> bool:
    """Ask Parley, and not whatever else may listen there, how it is."""
    try:
        async with httpx.AsyncClient(timeout=2.0) as http:
            response = await http.get(url)
        return response.is_success and response.json().get("success") is True
    except (httpx.TransportError, ValueError, AttributeError):
        return False
