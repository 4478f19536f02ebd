"""One HTTP connection that costs next to nothing: the load is to be on the server, not here."""

import asyncio
from typing import Any, NamedTuple

import orjson


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    body: Any

    @property
    def is_success(self) -> bool:
        """Tell whether it did what was asked."""
        return self.status < 300


class Connection:
    """A connection to one server, opened when needed; any trouble is an OSError and closes it."""

    def __init__(self, port: int, timeout: float) -> None:
        self._port = port
        self._timeout = timeout
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, token: str, body: Any = None) -> Answer:
        """Make one request."""
        content = b"" if body is None else orjson.dumps(body)
        request = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(self._timeout):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port)
                reader, writer = self._streams
                writer.write(request.encode() + content)
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
                answer = await reader.readexactly(int(length))
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise OSError("no answer") from error
        except BaseException:
            self.close()
            raise
        return Answer(int(head[9:12]), orjson.loads(answer) if answer else None)

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None
