"""A server that does what a test tells it: sockets by a script, HTTP from made-up logs."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import httpx
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tests.client.support import ME, Json, Log
from tests.support import PATIENCE
from thin_api.client import Client, Frame

Session = Callable[["Socket"], Awaitable[None]]


class Socket:
    """The server's end of one socket, after its hello."""

    def __init__(self, connection: ServerConnection, hello: Json) -> None:
        self.hello = hello
        self._connection = connection

    async def send(self, *frames: Json) -> None:
        """Send frames."""
        for frame in frames:
            await self._connection.send(json.dumps(frame))

    async def ready(self, *conversations: Json, desk_id: str | None = None) -> None:
        """Say that the client is welcome."""
        listed = [
            {"joined_seq": 0, "delivered_seq": 0, "read_seq": 0, "unread_count": 0, **one}
            for one in conversations
        ]
        told = {"type": "ready", "user_id": ME, "desk_id": desk_id, "conversations": listed}
        await self.send(told)

    async def receive(self) -> Json:
        """Return the client's next frame."""
        frame: Json = json.loads(await self._connection.recv())
        return frame

    async def close(self, code: int, reason: str = "") -> None:
        """Close it with a code."""
        await self._connection.close(code, reason)

    async def stay(self) -> None:
        """Keep it open for as long as the client does."""
        await self._connection.wait_closed()


class FakeServer:
    """What a test decides about the server, and sees of the client."""

    def __init__(self) -> None:
        self.url = ""
        self.sessions: list[Session] = []  # one for each connection; then they are refused
        self.hellos: list[Json] = []
        self.logs: dict[str, Log] = {}
        self.answers: list[Json | httpx.Response | Exception] = []  # instead of those from the logs
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []
        self.reports: list[str] = []
        self.tokens = 0

    def log(self, log: Log) -> Log:
        """Let HTTP answer from this log."""
        self.logs[log.conversation_id] = log
        return log

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeServer"]:
        """Serve sockets."""

        def refuse(connection: ServerConnection, request: Request) -> Response | None:
            if self.sessions:
                return None
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no more sessions")

        async with serve(self._serve, "127.0.0.1", 0, process_request=refuse) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
            yield self

    def client(self, **options: Any) -> Client:
        """Make a client of ours that does not really wait."""

        def token() -> str:
            self.tokens += 1
            return f"token {self.tokens}"

        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)
            await asyncio.sleep(0)

        usual: Json = {
            "transport": httpx.MockTransport(self._answer),
            "sleep": sleep,
            "chance": lambda: 1.0,
            "report": self.reports.append,
        }
        return Client(self.url, token, **(usual | options))

    async def _serve(self, connection: ServerConnection) -> None:
        session = self.sessions.pop(0)
        hello = json.loads(await connection.recv())
        self.hellos.append(hello)
        await session(Socket(connection, hello))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer if isinstance(answer, httpx.Response) else ok(answer)
        _, _, _, conversation_id, what = request.url.path.split("/")
        log, given = self.logs[conversation_id], request.url.params
        if what == "changes":
            return ok(log.changes(int(given["after_seq"]), limit=int(given["limit"])))
        if what == "messages" and request.method == "GET":
            before = int(given["before_seq"]) if "before_seq" in given else None
            return ok(log.messages(before=before, limit=int(given["limit"])))
        assert (request.method, what) == ("POST", "messages")
        body = json.loads(request.content)
        known = [
            one
            for one in log.states().values()
            if one["client_message_id"] == body["client_message_id"]
        ]
        if known:
            return ok({"success": True, "message": known[0], "duplicate": True})
        message = log.send(body["content"], key=body["client_message_id"], sender=ME)["message"]
        return ok({"success": True, "message": message}, 201)


def ok(body: Json, status: int = 200) -> httpx.Response:
    """Make an answer."""
    return httpx.Response(status, json=body)


def refusal(status: int, code: str) -> httpx.Response:
    """Make a refusal."""
    body = {"success": False, "error": code, "message": "no", "details": None, "hint": None}
    return httpx.Response(status, json=body)


async def take(client: Client, count: int) -> list[Frame]:
    """Return the next events of a client."""
    taken: list[Frame] = []
    async with asyncio.timeout(PATIENCE):
        async for frame in client.events():
            taken.append(frame)
            if len(taken) == count:
                break
    return taken
