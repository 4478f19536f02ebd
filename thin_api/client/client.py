"""The connection: a socket for what happens, HTTP for what is missing and what we say.

    async with Client("http://127.0.0.1:8000", token) as client:
        async for frame in client.events():
            print(frame["type"], client.store.messages(frame["conversation_id"]))

Whoever iterates over `events()` drives it, step by step: connect, or read a page of the log where
a number is missing, or receive one frame. Each step leaves everything in order, so that it may fail
or be cancelled and `events()` be called again; nothing runs in the background. A consumer that is
slow slows the socket down, and one the server gives up on goes on at its cursors.
"""

import asyncio
import inspect
import json
import random
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, Self

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from thin_api.client.store import Conversation, Frame, Message, Store

PAGE = 100
SHORTEST_WAIT, LONGEST_WAIT = 0.5, 15.0  # seconds; a real wait is a random part of it
READY_WITHIN = 30.0
CLOSE_WITHIN = 2.0
REQUEST_TIMEOUT = 30.0
LARGEST_FRAME = 64 * 2**20
MOST_CURSORS = 1000  # a hello is a frame of at most 64 KiB
BAD_TOKEN, TRY_LATER = 4401, 1013
BUSY = frozenset({408, 429, 502, 503, 504})
GONE = frozenset({"not_a_member", "not_found", "permission_denied"})

Token = Callable[[], str | Awaitable[str]]


class ClientError(Exception):
    """Why the client cannot go on, or cannot do what it was asked."""


class UnauthenticatedError(ClientError):
    """The server does not take our tokens, not even a new one."""


class RefusedError(ClientError):
    """The server refused a request; `code` is one of its error codes."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(body.get("error") or status)
        self.details = body.get("details")
        super().__init__(f"{self.code}: {body.get('message') or f'HTTP status {status}'}")


class _Tokens:
    """The token in use; asks for another when the server no longer takes it."""

    def __init__(self, make: Token) -> None:
        self._make = make
        self._token: str | None = None
        self._proven = False
        self._making = asyncio.Lock()

    async def get(self) -> str:
        async with self._making:
            if self._token is None:
                made = self._make()
                self._token = await made if inspect.isawaitable(made) else made
                self._proven = False
            return self._token

    def prove(self, token: str) -> None:
        """Note that the server took it."""
        self._proven |= token == self._token

    def refuse(self, token: str, why: str) -> None:
        """Note that the server did not take it; one it never took will not get better."""
        if token == self._token:
            if not self._proven:
                raise UnauthenticatedError(f"the server does not take our token: {why}")
            self._token = None


@dataclass(frozen=True, slots=True)
class _Refresh:
    """A conversation to fetch again down to its oldest message, and what to hand out then."""

    last_seq: int
    oldest: int | None
    frames: list[Frame]


class Client:
    """One user's view of the server; `store` is what we know of it.

    `token` is called for a token at the beginning and whenever the server refuses the one in use.
    `cursors` are those of an earlier client (`store.cursors()`): what came since is caught up on.
    Other conversations begin now, or after the log number `since`. `report` is told in a sentence
    when the connection is lost, and when it is back.
    """

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        cursors: Mapping[str, int] | None = None,
        since: int | None = None,
        report: Callable[[str], None] = lambda _: None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        scheme, separator, rest = url.rstrip("/").partition("://")
        if scheme not in ("http", "https") or not separator:
            raise ValueError(f"{url!r} is not the http address of a server")
        self.store = Store(cursors)
        self.connected = asyncio.Event()
        self._socket_url = f"{scheme.replace('http', 'ws')}://{rest}/v1/ws"
        self._http = httpx.AsyncClient(
            base_url=f"{scheme}://{rest}", timeout=REQUEST_TIMEOUT, transport=transport
        )
        self._socket: ClientConnection | None = None
        self._socket_token = ""
        self._failures = 0
        self._missing: dict[str, int] = {}  # up to which number the log is to be read
        self._refreshes: dict[str, _Refresh] = {}
        self._freed: deque[Frame] = deque()
        self._tokens = _Tokens(token)
        self._since = since
        self._report = report
        self._sleep = sleep
        self._chance = chance

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._socket is not None:
            await self._socket.close()
        await self._http.aclose()

    async def events(self) -> AsyncIterator[Frame]:
        """Yield what happens: each number of a log once and in order, the rest as it comes.

        A `reset` means that more happened than the server tells one by one; the store has been
        refreshed then. For one task at a time. Raises UnauthenticatedError.
        """
        while True:
            while self._freed:
                yield self._freed.popleft()
            await self._step()

    async def send(
        self,
        conversation_id: str,
        content: str,
        *,
        client_message_id: str | None = None,
        **fields: Any,
    ) -> Message:
        """Send a message, again and again with the same key until the server answers; the message.

        The store shows it at once. It may have been stored although we are cancelled: send it again
        with the same `client_message_id` to find out.
        """
        key = client_message_id or str(uuid.uuid4())
        body = {**fields, "content": content, "client_message_id": key}
        conversation = self.store.conversation(conversation_id)
        conversation.sending(
            {
                **body,
                "id": None,
                "conversation_id": conversation_id,
                "seq": None,
                "sender_id": self.store.user_id,
            }
        )
        try:
            answer = await self._ask("POST", conversation, "messages", body=body)
        except RefusedError as refusal:
            conversation.failed(key, refusal.code)
            raise
        message: Message = answer["message"]
        conversation.sent(key, message)
        if message["seq"] <= (conversation.begun or 0):
            # What happened to it between the answer and our beginning to listen, nobody tells.
            await self._load(conversation, message["seq"] + 1, limit=1)
        return message

    async def read(self, conversation_id: str, seq: int | None = None) -> int:
        """Mark everything up to a log number (none: up to now) as read; how many are unread yet."""
        conversation = self.store.conversation(conversation_id)
        answer = await self._ask("POST", conversation, "read", body={"seq": seq})
        return int(answer["unread_count"])

    async def typing(self, conversation_id: str) -> None:
        """Tell the others that we are typing, if we are connected."""
        if self._socket is not None:
            with suppress(ConnectionClosed):
                await self._socket.send(
                    json.dumps({"type": "typing", "conversation_id": conversation_id})
                )

    async def load(self, conversation_id: str, before_seq: int | None = None) -> bool:
        """Fetch a page of messages, the latest or those before one; whether there are more."""
        return await self._load(self.store.conversation(conversation_id), before_seq) > 0

    async def _step(self) -> None:
        """Do the next thing there is to do."""
        if self._socket is None:
            await self._connect()
        elif self._refreshes:
            await self._refresh(*next(iter(self._refreshes.items())))
        elif self._missing:
            await self._read_log(*next(iter(self._missing.items())))
        else:
            await self._receive(self._socket)

    async def _connect(self) -> None:
        """Open a socket and say hello; whatever comes between, wait a while."""
        token = await self._tokens.get()
        cursors = dict(islice(self.store.cursors().items(), MOST_CURSORS))
        trouble = ""
        try:
            async with AsyncExitStack() as stack:
                socket = await stack.enter_async_context(
                    connect(self._socket_url, max_size=LARGEST_FRAME, close_timeout=CLOSE_WITHIN)
                )
                await socket.send(json.dumps({"type": "hello", "token": token, "cursors": cursors}))
                async with asyncio.timeout(READY_WITHIN):
                    while (frame := json.loads(await socket.recv()))["type"] != "ready":
                        trouble = str(frame.get("message"))
                stack.pop_all()
        except ConnectionClosed as closed:
            if _code(closed) == BAD_TOKEN:
                self._tokens.refuse(token, trouble)
            await self._back_off(trouble or str(closed))
        except InvalidStatus as refused:
            await self._back_off(f"HTTP status {refused.response.status_code}")
        except (OSError, TimeoutError, WebSocketException) as error:
            await self._back_off(str(error) or type(error).__name__)
        else:
            self._tokens.prove(token)
            self._socket, self._socket_token = socket, token
            self._begin(frame, cursors)

    def _begin(self, ready: Frame, cursors: Mapping[str, int]) -> None:
        """Take in what there is; what the server was given no cursor for, we read ourselves."""
        self._freed.extend(self.store.ready(ready, self._since))
        last = {told["conversation_id"]: told["last_seq"] for told in ready["conversations"]}
        self._missing = {
            key: seq
            for key, seq in last.items()
            if key not in cursors and self.store.conversation(key).cursor != seq
        }
        for key, seq in self.store.inbox_cursors().items():
            if key not in cursors:
                self._missing[key] = seq
        self.connected.set()
        self._report("connected")

    async def _receive(self, socket: ClientConnection) -> None:
        """Take in one frame, or notice that the connection is lost."""
        try:
            text = await socket.recv()
        except ConnectionClosed as closed:
            self._socket = None
            self.connected.clear()
            if _code(closed) == BAD_TOKEN:
                self._tokens.refuse(self._socket_token, str(closed))
            if _code(closed) != TRY_LATER:
                self._failures = 0
            await self._back_off(str(closed))
        else:
            self._take(json.loads(text))

    def _take(self, frame: Frame) -> None:
        """Put one frame of the socket into the store, and hand out what that frees."""
        if frame["type"] == "pong":
            return
        if "conversation_id" not in frame:
            self._take_desk(frame)
            self._freed.append(frame)
            return
        if "merged_into" in frame:
            self._merge(frame)
            return
        if frame["type"] == "conversation_deleted":
            self._forget(frame)
            return
        conversation = self.store.conversation(frame["conversation_id"])
        if frame["type"] == "reset":
            self._reset(conversation, frame)
        elif frame["type"] == "error":
            if frame["error"] == "not_a_member" and "request" not in frame:
                self._leave(conversation)
            self._freed.append(frame)
        else:
            if "seq" in frame:  # the first of a conversation that is new to us begins its log
                conversation.begin(max(frame["seq"] - 1, 0))
            self._hand_out(conversation, self.store.apply(frame))

    def _take_desk(self, frame: Frame) -> None:
        """Take in what concerns the inbox as a whole."""
        inbox = self.store.inbox_cursors()
        if frame["type"] == "reset":  # the server does not know which of them we hold, nor how far
            self._missing = inbox | self._missing
        elif frame["type"] == "desk_changed":
            self.store.desk_id = frame["desk_id"]
            for key in inbox if frame["desk_id"] is None else ():
                self._leave(self.store.conversation(key))

    def _merge(self, frame: Frame) -> None:
        """Go on with the conversation that another one has become part of."""
        self._forget(frame)
        survivor = self.store.conversation(frame["merged_into"])
        if (survivor.cursor or 0) < frame["last_seq"]:
            told = {"type": "reset", "conversation_id": survivor.conversation_id}
            self._reset(survivor, {**told, "last_seq": frame["last_seq"]})

    def _forget(self, frame: Frame) -> None:
        """Forget a conversation, and what was to be read of it; the frame says why."""
        self._missing.pop(frame["conversation_id"], None)
        self._refreshes.pop(frame["conversation_id"], None)
        self.store.forget(frame["conversation_id"])
        self._freed.append(frame)

    def _hand_out(self, conversation: Conversation, frames: Iterable[Frame]) -> None:
        self._freed.extend(frames)
        if gap := conversation.gap:
            key = conversation.conversation_id
            self._missing[key] = max(gap.before - 1, self._missing.get(key, 0))

    def _reset(self, conversation: Conversation, frame: Frame) -> None:
        oldest, last_seq = conversation.oldest, frame["last_seq"]
        frames = [frame, *conversation.reset(last_seq)]
        self._missing.pop(conversation.conversation_id, None)
        self._refreshes[conversation.conversation_id] = _Refresh(last_seq, oldest, frames)

    def _leave(self, conversation: Conversation) -> None:
        self._missing.pop(conversation.conversation_id, None)
        self._freed.extend(conversation.leave())

    async def _read_log(self, conversation_id: str, last_seq: int) -> None:
        """Read one page of what is missing."""
        conversation = self.store.conversation(conversation_id)
        after = conversation.cursor or 0
        try:
            page = await self._ask(
                "GET", conversation, "changes", params={"after_seq": after, "limit": PAGE}
            )
        except RefusedError as refusal:
            if refusal.code not in GONE:
                raise
            self._leave(conversation)
            return
        if page["reset"]:
            told = {"type": "reset", "conversation_id": conversation_id}
            self._reset(conversation, {**told, "last_seq": page["last_seq"]})
            return
        if page["changes"] and page["changes"][0]["conversation_id"] != conversation_id:
            survivor = page["changes"][0]["conversation_id"]
            told = {"type": "reset", "conversation_id": conversation_id, "merged_into": survivor}
            self._merge({**told, "last_seq": page["last_seq"]})
            return
        freed = self.store.apply_changes(conversation_id, page, after)
        if page["has_more"]:
            last_seq = self._missing[conversation_id] = max(last_seq, page["last_seq"])
        if (conversation.cursor or 0) >= last_seq:
            del self._missing[conversation_id]
        elif conversation.cursor == after:  # what answered is behind what told us of more
            await self._sleep(self._pause(0))
        self._hand_out(conversation, freed)

    async def _refresh(self, conversation_id: str, wanted: _Refresh) -> None:
        """Fetch a conversation's messages again, as far back as we had them."""
        conversation = self.store.conversation(conversation_id)
        before: int | None = None
        try:
            while before is None or (wanted.oldest is not None and wanted.oldest < before):
                before = await self._load(conversation, before)
        except RefusedError as refusal:
            if refusal.code not in GONE:
                raise
            self._freed.extend(wanted.frames)
            self._leave(conversation)
        else:
            conversation.forget_stale(wanted.last_seq)
            self._hand_out(conversation, wanted.frames)
        del self._refreshes[conversation_id]

    async def _load(
        self, conversation: Conversation, before: int | None, *, limit: int = PAGE
    ) -> int:
        """Take in a page of messages; where the page before it ends, 0 if there is none."""
        bounds = {"limit": limit} if before is None else {"limit": limit, "before_seq": before}
        while True:
            page = await self._ask("GET", conversation, "messages", params=bounds)
            self._freed.extend(self.store.apply_messages(conversation.conversation_id, page))
            if page["last_seq"] >= (conversation.begun or 0):
                return int(page["messages"][0]["seq"]) if page["has_more"] else 0
            await self._sleep(self._pause(0))

    async def _ask(
        self,
        method: str,
        conversation: Conversation,
        what: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the body of a success or raise the refusal; ask until there is one of them."""
        failures = 0
        while True:
            token = await self._tokens.get()
            try:
                response = await self._http.request(
                    method,
                    f"/v1/conversations/{conversation.conversation_id}/{what}",
                    json=body,
                    params=params,
                    headers={"Authorization": f"Bearer {token}"},
                )
            except httpx.TransportError:
                told = ""
            else:
                if response.status_code == 401:
                    self._tokens.refuse(token, response.text)
                    continue
                if response.status_code not in BUSY:
                    self._tokens.prove(token)
                    return _body(response)
                told = response.headers.get("Retry-After", "")
            least = min(float(told), LONGEST_WAIT) if told.isdigit() else 0.0
            await self._sleep(max(least, self._pause(failures)))
            failures += 1

    async def _back_off(self, reason: str) -> None:
        """Wait before the next connection: longer each time, and not all clients as long."""
        pause = self._pause(self._failures)
        self._failures += 1
        self._report(f"no connection ({reason}); again in {pause:.1f} s")
        await self._sleep(pause)

    def _pause(self, failures: int) -> float:
        return self._chance() * min(LONGEST_WAIT, SHORTEST_WAIT * (1 << min(failures, 16)))


def _code(closed: ConnectionClosed) -> int | None:
    return closed.rcvd.code if closed.rcvd else None


def _body(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {}
    if response.is_success and body.get("success"):
        return body
    raise RefusedError(response.status_code, body)
