"""A model that is not there: answers chat completions as OpenAI does, or refuses, breaks, babbles.

What becomes of a request is said beforehand (`then`), or by `choose`.
"""

import contextlib
import dataclasses
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.served import abort, breakable, served

MODEL = "fake-1"
End = Literal["done", "silent_end", "unfinished", "cut", "stall", "late_cut", "late_stall", "error"]
SSE = [(b"content-type", b"text/event-stream; charset=utf-8")]


@dataclasses.dataclass(frozen=True)
class Reply:
    """An answer, and how it ends.

    done: as it should. silent_end: without the last line, which some servers leave out. unfinished:
    the stream ends, the answer does not. cut: the connection breaks. stall: nothing more comes.
    late_cut, late_stall: the same once the answer is whole. error: the server cannot go on.
    """

    pieces: Sequence[str] = ("Hello", " there", "!")
    end: Literal[
        "done", "silent_end", "unfinished", "cut", "stall", "late_cut", "late_stall", "error"
    ] = "done"
    reason: str = "stop"


@dataclasses.dataclass(frozen=True)
class Refusal:
    """An answer that is no success."""

    status: int
    error: Any = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Babble:
    """A success that is not what it should be, word for word."""

    body: bytes
    headers: Sequence[tuple[bytes, bytes]] = tuple(SSE)


Way = Reply | Refusal | Babble

THROTTLED = Refusal(429, {"code": "rate_limit_exceeded", "message": "slow down, Ann"})
SPENT = Refusal(429, {"code": "insufficient_quota", "message": "pay first"})
AWAY = Refusal(503)


class FakeOpenAi:
    """What a test sees of it."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.requests: list[Request] = []
        self.choose: Callable[[], Way] = Reply
        self.hung_up = 0  # how many of those it kept waiting went away
        self.url = ""
        self._next: deque[Way] = deque()
        self._app = Starlette(routes=[Route("/v1/chat/completions", _Answering(self))])

    def then(self, *ways: Way) -> None:
        """Say what becomes of the next requests."""
        self._next.extend(ways)

    @property
    def words(self) -> list[list[tuple[str, str]]]:
        """What each request made the model read."""
        return [[(one["role"], one["content"]) for one in body["messages"]] for body in self.asked]

    @contextlib.contextmanager
    def serving(self) -> Iterator["FakeOpenAi"]:
        """Serve in a thread."""
        with served(breakable(self._app)) as url:
            self.url = f"{url}/v1"
            yield self

    def way(self) -> Way:
        """Say what becomes of this request."""
        return self._next.popleft() if self._next else self.choose()


class _Answering:
    """The one path, as an ASGI application: it may break the connection instead of answering."""

    def __init__(self, model: FakeOpenAi) -> None:
        self._model = model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self._model.asked.append(json.loads(await request.body()))
        self._model.requests.append(request)
        way = self._model.way()
        if isinstance(way, Refusal):
            body = {"error": way.error} if way.error else {}
            await JSONResponse(body, way.status, way.headers)(scope, receive, send)
            return
        headers = way.headers if isinstance(way, Babble) else SSE
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        if isinstance(way, Babble):
            await send({"type": "http.response.body", "body": way.body})
            return
        for part in _parts(way):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        if way.end in ("stall", "late_stall"):
            while (await receive())["type"] != "http.disconnect":
                pass
            self._model.hung_up += 1
        elif way.end in ("cut", "late_cut"):
            abort(scope)
        else:
            await send({"type": "http.response.body"})


def _parts(reply: Reply) -> Iterator[bytes]:
    """Write the stream as servers do: what is no word yet, a comment, the words, the end."""
    yield b": OPENROUTER PROCESSING\n\n"
    yield _event(_chunk({"role": "assistant", "content": ""}))
    for piece in reply.pieces:
        yield _event(_chunk({"content": piece}))
    if reply.end == "error":
        yield _event({"error": {"code": "server_error", "message": "no more of Ann's secrets"}})
    if reply.end in ("done", "silent_end", "late_cut", "late_stall"):
        yield _event(_chunk({}, reply.reason))
        yield _event({"object": "chat.completion.chunk", "model": MODEL, "choices": []})
    if reply.end == "done":
        yield b"data: [DONE]\n\n"


def _chunk(delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"object": "chat.completion.chunk", "model": MODEL, "choices": [choice]}


def _event(body: Any) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()
