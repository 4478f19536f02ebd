"""Answers from any server that speaks OpenAI's POST /chat/completions, as a stream."""

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import httpx
import httpx_sse
import orjson
import structlog

from thin_api.providers.outgoing import json_object, wanted_pause
from thin_api.responders import Json, Message, Opening, Request, Responder, ResponderError
from thin_api.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT = 5.0
TRIES = 4  # as long as nothing has been said
PAUSE = 0.5  # seconds before the second try, doubled before each further one
PASSES = frozenset({408, 409, 425, 429})  # and what is wrong on their side
# Every question ends so until somebody mends the settings, or pays the bill.
REFUSES_US = frozenset({301, 302, 307, 308, 401, 402, 403, 404, 405})
SPENT = "insufficient_quota"  # said with a 429
MOST_READ = 67_108_864  # bytes of one response: several times what any answer can have
NAME = re.compile(r"[\w./:@+-]{1,200}")  # of a model, an error, a reason

# An estimate that needs no vocabulary: English has four bytes a token, scripts of three bytes a
# letter about one letter, and what goes around a message is a few more.
BYTES_PER_TOKEN = 3
TOKENS_AROUND = 4

Sleep = Callable[[float], Awaitable[None]]


class AttemptError(ResponderError):
    """An attempt that failed, and whether and when another one may not."""

    def __init__(self, code: str, message: str, *, passes: bool, pause: float = 0.0) -> None:
        super().__init__(code, message)
        self.passes = passes
        self.pause = pause


class _Bounded(httpx.AsyncByteStream):
    """What a response holds, as far as it can be of use: one without end would take all memory."""

    def __init__(self, response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - httpx's type is wider
        self._stream = response.stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_READ
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                log.warning("responder_unreadable", reason="endless")
                raise _nonsense()
            yield chunk

    async def aclose(self) -> None:
        """Hang up."""
        await self._stream.aclose()


class OpenAi:
    """Asks one model, with as much of the thread as the budget allows."""

    def __init__(
        self, settings: Settings, client: httpx.AsyncClient, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._model = settings.openai_model
        self._prompt = settings.openai_system_prompt
        self._budget = settings.openai_history_tokens
        self._url = f"{settings.openai_base_url.rstrip('/')}/chat/completions"
        self._client = client
        self._sleep = sleep

    async def answer(self, request: Request) -> AsyncGenerator[str, None]:
        """Pass the answer on as it comes; what may pass is tried again until something came."""
        clock = asyncio.get_running_loop()
        deadline = clock.time() + request.timeout
        for tries in itertools.count(1):
            has_begun = False
            try:
                async with contextlib.aclosing(self._attempt(request)) as pieces:
                    async for piece in pieces:
                        has_begun = True
                        yield piece
            except AttemptError as trouble:
                pause = max(PAUSE * 2.0 ** (tries - 1), trouble.pause)
                is_last = tries == TRIES or clock.time() + pause >= deadline
                if has_begun or is_last or not trouble.passes:
                    raise
            else:
                return
            await self._sleep(pause)

    async def _attempt(self, request: Request) -> AsyncGenerator[str, None]:
        is_answered = False
        try:
            async with self._client.stream(
                "POST", self._url, content=self._body(request)
            ) as response:
                is_answered = True
                response.stream = _Bounded(response)
                if not response.is_success:
                    await response.aread()
                    raise _refusal(response)
                async with contextlib.aclosing(_pieces(response, request.notes)) as pieces:
                    async for piece in pieces:
                        yield piece
        except httpx.ReadTimeout as error:
            raise AttemptError("stalled", "the model fell silent", passes=True) from error
        except httpx.RequestError as error:
            log.warning("responder_lost", reason=type(error).__name__, run_id=request.run_id)
            if is_answered:
                raise _cut_off() from error
            raise _unavailable() from error

    def _body(self, request: Request) -> bytes:
        kept = within_budget(request.messages, request.message_id, self._budget)
        system = [{"role": "system", "content": self._prompt}] if self._prompt else []
        said = [{"role": one.role, "content": _text(one)} for one in kept]
        return orjson.dumps({"model": self._model, "stream": True, "messages": system + said})


def opening(settings: Settings) -> Opening:
    """Make the responder of these settings; SettingsError if they do not suffice."""
    if not settings.openai_model:
        raise SettingsError("PARLEY_OPENAI_MODEL is required with PARLEY_RESPONDER=openai")

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Responder]:
        async with httpx.AsyncClient(
            headers=_headers(settings.openai_api_key),
            timeout=httpx.Timeout(settings.openai_silence, connect=CONNECT_TIMEOUT),
            limits=httpx.Limits(max_connections=None),  # the worker limits what is asked at once
        ) as client:
            yield OpenAi(settings, client).answer

    return opened


def within_budget(messages: Sequence[Message], question: str, budget: int) -> Sequence[Message]:
    """Drop the oldest messages that are too many; never the question, or what came after it."""
    ids = [one.id for one in messages]
    kept = ids.index(question) if question in ids else max(len(ids) - 1, 0)
    left = budget - sum(map(_tokens, messages[kept:]))
    while kept and (left := left - _tokens(messages[kept - 1])) >= 0:
        kept -= 1
    return messages[kept:]


def _tokens(message: Message) -> int:
    return -(-len(_text(message).encode()) // BYTES_PER_TOKEN) + TOKENS_AROUND


def _text(message: Message) -> str:
    """Say what there is no text for: a picture, a place."""
    return message.content or f"[{message.type}]"


def _headers(key: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
    return headers | ({"Authorization": f"Bearer {key}"} if key else {})


async def _pieces(response: httpx.Response, notes: Json) -> AsyncGenerator[str, None]:
    """Read the stream; what it tells about the answer is noted."""
    is_complete = False
    try:
        events = httpx_sse.EventSource(response).aiter_sse()
        async with contextlib.aclosing(events):
            async for event in events:
                if event.data == "[DONE]":
                    is_complete = True
                    break
                if not event.data:
                    continue
                piece, reason = _read(orjson.loads(event.data), notes)
                is_complete = is_complete or reason is not None
                if piece:
                    yield piece
    except (httpx_sse.SSEError, ValueError, TypeError, AttributeError) as error:
        log.warning("responder_unreadable", reason=type(error).__name__)
        raise _nonsense() from error
    except httpx.RequestError:
        if not is_complete:
            raise
    if not is_complete:
        raise _cut_off()


def _read(chunk: Any, notes: Json) -> tuple[str, str | None]:
    """Return what a chunk says, and why it is the last one, if it is."""
    if error := chunk.get("error"):
        log.warning("responder_gave_up", **_told(error))
        raise _unavailable()
    _note(notes, "model", chunk.get("model"))
    for choice in chunk.get("choices") or ():
        reason = choice.get("finish_reason")
        if reason != "stop":
            _note(notes, "finish_reason", reason)
        delta = choice.get("delta") or {}
        # Some models say apart from the answer why they give none.
        piece = delta.get("content") or delta.get("refusal") or ""
        if not isinstance(piece, str):
            raise TypeError(piece)
        return piece, reason
    return "", None


def _note(notes: Json, name: str, value: Any) -> None:
    """Note what is a name, and leave out what no note has a place for."""
    if isinstance(value, str) and NAME.fullmatch(value):
        notes[name] = value


def _refusal(response: httpx.Response) -> AttemptError:
    """Judge an answer that is none."""
    status = response.status_code
    told = {"status": status, **_told(json_object(response).get("error"))}
    if status in REFUSES_US or told.get("code") == SPENT:
        log.error("responder_misconfigured", **told)
        return AttemptError("misconfigured", "the assistant is not set up correctly", passes=False)
    log.warning("responder_refused", **told)
    if status in PASSES or status >= 500:
        return _unavailable(wanted_pause(response) or 0.0)
    return AttemptError("refused", "the model's server did not accept the question", passes=False)


def _told(error: Any) -> Json:
    """Name an error for the log; its message could quote what was said."""
    error = error if isinstance(error, dict) else {}
    named: Json = {}
    for name in ("code", "type"):
        value = error.get(name)
        _note(named, name, str(value) if isinstance(value, int) else value)
    return named


def _nonsense() -> AttemptError:
    return AttemptError("bad_answer", "the model's server answered nonsense", passes=False)


def _unavailable(pause: float = 0.0) -> AttemptError:
    return AttemptError(
        "unavailable", "the model's server is not available", passes=True, pause=pause
    )


def _cut_off() -> AttemptError:
    return AttemptError("cut_off", "the model's answer broke off", passes=True)
