"""Somebody's own ChatKitServer on our Store, served as ChatKit's documentation shows it."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import orjson
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ThreadItemAddedEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.chatkit.support import Events, text_of, typed
from tests.http.support import settings_for
from tests.served import served
from tests.support import PATIENCE, connect, violations, wait_for
from thin_api.chatkit.store import ParleyStore
from thin_api.db import Database


@dataclasses.dataclass(frozen=True)
class Customer:
    """Their context: they know people by a name of their own."""

    name: str


class TheirStore(ParleyStore[Customer]):
    """Our Store, told who that is."""

    async def actor_id(self, context: Customer) -> str:
        """Find or make Parley's user of this name."""
        given = {"p_external_id": context.name, "p_display_name": context.name}
        return str(orjson.loads(await self._call("upsert_user_atomic", given))["user_id"])


class TheirServer(ChatKitServer[Customer]):
    """Begins an answer and never ends it."""

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Customer
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Say something, then wait for ever."""
        item = AssistantMessageItem(
            id="__fake_id__",
            thread_id=thread.id,
            created_at=datetime.now(),  # noqa: DTZ005
            content=[AssistantMessageContent(text="Let me ")],
        )
        yield ThreadItemAddedEvent(item=item)
        delta = AssistantMessageContentPartTextDelta(content_index=0, delta="think")
        yield ThreadItemUpdatedEvent(item_id=item.id, update=delta)
        await asyncio.Event().wait()


def application(dsn: str) -> Starlette:
    """Make their application."""
    database = Database(settings_for(dsn))
    server = TheirServer(TheirStore(database.call))

    async def chatkit(request: Request) -> Response:
        context = Customer(request.headers["x-customer"])
        result = await server.process(await request.body(), context)
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(result.json, media_type="application/json")

    @contextlib.asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        await database.open()
        yield
        await database.close()

    return Starlette(
        routes=[Route("/theirs", chatkit, methods=["POST"])],
        lifespan=lifespan,
    )


@dataclasses.dataclass
class TheirWidget:
    """A customer of theirs."""

    client: httpx.Client

    def ask_and_leave(self, kind: str, **params: Any) -> str:
        """Ask something and leave in the middle of the answer; the thread's id."""
        body = {"type": kind, "params": params}
        thread_id = str(params.get("thread_id"))
        with self.client.stream("POST", "/theirs", json=body) as response:
            for event in Events(response):
                thread_id = event.get("thread", {}).get("id", thread_id)
                if event["type"] == "thread.item.updated":
                    return str(thread_id)
        raise AssertionError

    def said(self, thread_id: str) -> list[tuple[str, str]]:
        """Return who said what."""
        params = {"thread_id": thread_id, "order": "asc", "limit": 100}
        page = self.client.post("/theirs", json={"type": "items.list", "params": params}).json()
        return [(item["type"], text_of(item)) for item in page["data"]]


def test_what_was_said_is_kept_when_their_client_leaves(fresh_database: str) -> None:
    """Starlette cancels the stream; what ChatKit saves then must not stop half-way."""
    with (
        served(application(fresh_database)) as url,
        httpx.Client(base_url=url, headers={"X-Customer": "ada"}, timeout=PATIENCE) as client,
        connect(fresh_database) as db,
    ):
        widget, answer = TheirWidget(client), ("assistant_message", "Let me think")
        thread_id = widget.ask_and_leave("threads.create", input=typed("one"))
        wait_for(lambda: answer in widget.said(thread_id), "the answer to be kept")
        widget.ask_and_leave("threads.add_user_message", thread_id=thread_id, input=typed("two"))
        wait_for(lambda: widget.said(thread_id)[3:], "the next answer to be kept")
        # Both have the same id, as with a model spoken to through chat completions.
        assert widget.said(thread_id) == [
            ("user_message", "one"),
            answer,
            ("user_message", "two"),
            answer,
        ]
        assert violations(db) == []
