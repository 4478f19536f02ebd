"""An application served in a thread, for as long as a test needs it."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from tests.support import wait_for


@contextlib.contextmanager
def served(app: ASGIApp, **config: Any) -> Iterator[str]:
    """Serve it at a free port of this machine; its address."""
    given = {"log_config": None, "access_log": False, "timeout_graceful_shutdown": 1, **config}
    server = uvicorn.Server(uvicorn.Config(app, **given))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            wait_for(lambda: server.started, "the server to start")
            yield url
        finally:
            server.should_exit = True
            thread.join()


def abort(scope: Any) -> None:
    """Break the connection of a request that came through `breakable`."""
    scope["abort"]()


def breakable(app: ASGIApp) -> ASGIApp:
    """Give an application the means to break the connection of a request."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope["abort"] = send.__self__.transport.abort
        await app(scope, receive, send)

    return wrapped
