"""What sockets need of the web server beyond ASGI: bytes written as they are, word of a shutdown.

ASGI encodes each frame for each socket and passes it through a coroutine. An event that goes to
fifty sockets is the same bytes for all of them; here it is encoded once and written.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

EXTENSION = "parley.wire"
LARGEST_FRAME = 65_536  # bytes a client may send at once
PING_EVERY = 20.0
CLOSING_TIMEOUT = 5.0  # seconds a client gets to read what was sent before the close frame


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, open to its application."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What these two log may hold tokens: every frame, the query string. Nobody sets its level.
        self.logger = self.conn.logger = logging.getLogger("websockets.server")
        self.conn.debug = False

    async def run_asgi(self) -> None:
        """Run the application, which finds this connection in its scope."""
        cast("dict[str, Any]", self.scope["extensions"])[EXTENSION] = self
        await super().run_asgi()

    @property
    def is_open(self) -> bool:
        """Tell whether frames may be written."""
        return self.handshake_complete and not (
            self.close_sent or self.disconnected or self.transport.is_closing()
        )

    def write(self, frames: bytes, most_behind: int) -> bool:
        """Write encoded frames, unless the client has gone or has not taken so much before."""
        transport = self.transport
        if self.close_sent or transport.is_closing():
            return True
        if transport.get_write_buffer_size() > most_behind:
            return False
        transport.write(frames)
        return True

    async def drained(self) -> None:
        """Wait until the client has taken most of what was written, or is gone."""
        await self.writable.wait()

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye; a client that does not take it in time is cut off."""
        if not self.is_open:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.stop_keepalive()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(CLOSING_TIMEOUT, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Cut off a client that does not answer: it will not take a farewell either."""
        super().keepalive_timeout()
        self.transport.abort()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, open to an application whose answer does not end by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ending = asyncio.Event()

    def on_message_begin(self) -> None:
        """Begin a request, which finds this connection in its scope."""
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[EXTENSION] = self

    def shutdown(self) -> None:
        """Begin a graceful shutdown, of which an endless answer is told by `ending`."""
        super().shutdown()
        if self.cycle is not None:
            self.ending.set()

    def abort(self) -> None:
        """Cut off a client that does not take what was sent."""
        self.transport.abort()


def socket_of(scope: Scope) -> WebSocketProtocol:
    """Find the connection a WebSocket scope belongs to."""
    connection: WebSocketProtocol = scope["extensions"][EXTENSION]
    return connection


def connection_of(scope: Scope) -> HttpProtocol:
    """Find the connection an HTTP scope belongs to."""
    connection: HttpProtocol = scope[EXTENSION]
    return connection


# What uvicorn must be configured with for /v1/ws and /v1/events to work.
SERVER: Mapping[str, Any] = {
    "http": HttpProtocol,
    "ws": WebSocketProtocol,
    "ws_max_size": LARGEST_FRAME,
    "ws_per_message_deflate": False,  # 40 KB a socket, and every frame encoded anew for each
    "ws_ping_interval": PING_EVERY,
    "ws_ping_timeout": PING_EVERY,
}
