"""ChatKit's server over Parley's runs: whoever answers there, answers here."""

import asyncio
import contextlib
import dataclasses
import datetime
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NoReturn

import orjson
from chatkit.actions import Action
from chatkit.errors import CustomStreamError
from chatkit.server import ChatKitServer
from chatkit.store import AttachmentStore, NotFoundError
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    Attachment,
    AttachmentCreateParams,
    AudioInput,
    SyncCustomActionResponse,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    TranscriptionResult,
    UserMessageItem,
    WidgetItem,
)

from thin_api.chatkit.store import ParleyStore, result_of, to_the_end
from thin_api.db import Database
from thin_api.errors import Failure
from thin_api.hub import Hub
from thin_api.run_stream import Ending, Following, News, Piece

# Refused now, perhaps not in a moment: the widget offers to try again.
PASSING = frozenset({"run_in_progress", "rate_limited", "unavailable"})
UNANSWERED = "The answer took too long."
# ChatKit's function that tells its client of any error in the same words, and only logs which.
SWALLOWING = "_process_events"
RESTARTING = "The server restarts. The answer goes on: try again to see it."


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """Whose request it is, in which session, and what becomes of its connection."""

    actor_id: str
    session_id: str | None
    ending: asyncio.Event  # set when the server is about to stop
    taken: asyncio.Event  # set while the client has taken all that it was told


class ParleyChatKitServer(ChatKitServer[Context]):
    """Asks for a run and tells of it as it goes; a client that leaves wants no answer any more."""

    def __init__(self, database: Database, hub: Hub) -> None:
        super().__init__(ParleyStore(database.call), _NoFiles())
        self._database = database
        self._hub = hub

    async def respond(
        self,
        thread: ThreadMetadata,
        input_user_message: UserMessageItem | None,
        context: Context,
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Have a message answered; what a tool or form returned is no question to a responder."""
        if input_user_message is None:
            return
        answer = _Answer(self._database, self._hub, thread, context)
        try:
            await to_the_end(answer.ask_for(input_user_message))
            async for event in answer.events():
                yield event
        except asyncio.CancelledError:
            await to_the_end(answer.cancel())
            raise
        except Failure as failure:
            raise CustomStreamError(
                failure.message, allow_retry=failure.error in PASSING
            ) from failure

    async def handle_stream_cancelled(
        self, thread: ThreadMetadata, pending_items: list[ThreadItem], context: Context
    ) -> None:
        """Mark that the answer was cut short; what was said of it is kept by the run's end."""
        await super().handle_stream_cancelled(thread, [], context)

    async def transcribe(self, audio_input: AudioInput, context: Context) -> TranscriptionResult:
        """Refuse: nobody here listens."""
        _unsupported("this server takes no dictation")

    def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: Context,
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Refuse: there are no widgets to act on."""
        raise CustomStreamError("This server has no actions.")

    async def sync_action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: Context,
    ) -> SyncCustomActionResponse:
        """Refuse: there are no widgets to act on."""
        _unsupported("this server has no actions")


class _Answer:
    """One run in ChatKit's events. The item's id is the run's, which the message will have, too."""

    def __init__(
        self, database: Database, hub: Hub, thread: ThreadMetadata, context: Context
    ) -> None:
        self._database = database
        self._hub = hub
        self._thread = thread
        self._context = context
        self._conversation_id = ""
        self._run_id = ""
        self._is_announced = False

    async def ask_for(self, question: UserMessageItem) -> None:
        """Ask for the answer to a message; it may be under way already, or there."""
        asked = await self._call(
            "load_chatkit_item", p_thread_id=self._thread.id, p_item_id=question.id
        )
        self._conversation_id = asked["conversation_id"]
        wishes = question.inference_options.model_dump(exclude_none=True)
        given = {
            "p_session_id": self._context.session_id,
            "p_configuration": orjson.dumps({"inference_options": wishes}) if wishes else None,
        }
        run = await self._call(
            "create_run_atomic",
            p_conversation_id=self._conversation_id,
            p_message_id=asked["message_id"],
            **{name: value for name, value in given.items() if value is not None},
        )
        self._run_id = run["run_id"]

    async def cancel(self) -> None:
        """Stop it, if it came so far; what was said by then is kept."""
        if self._run_id:
            await self._call(
                "cancel_run_atomic", p_conversation_id=self._conversation_id, p_run_id=self._run_id
            )

    async def events(self) -> AsyncIterator[ThreadStreamEvent]:
        """Tell of it until it has ended, or the server does; then the answer goes on elsewhere."""
        following = Following(
            self._database,
            self._hub,
            conversation_id=self._conversation_id,
            run_id=self._run_id,
            actor_id=self._context.actor_id,
        )
        with following.until(self._context.ending.wait()):
            async with contextlib.aclosing(following.news()) as news:
                async for one in news:
                    for event in self._told(one):
                        yield event
                    if isinstance(one, Ending):
                        return
                    # A slow client is told less often: meanwhile nothing piles up for it.
                    await self._context.taken.wait()
        raise CustomStreamError(RESTARTING, allow_retry=True)

    def _told(self, news: News) -> Iterator[ThreadStreamEvent]:
        if isinstance(news, Piece):
            yield from self._said(news)
        elif isinstance(news, Ending):
            yield from self._ended(orjson.loads(news.body))
            _raise_if_unanswered(news.run)

    def _said(self, piece: Piece) -> Iterator[ThreadStreamEvent]:
        """Tell what is new of an answer under way."""
        if not self._is_announced:
            self._is_announced = True
            yield ThreadItemAddedEvent(item=self._item(datetime.datetime.now(datetime.UTC), []))
        if piece.offset == 0:
            # Also when another worker starts over: this takes the place of what the first one said.
            part = AssistantMessageContentPartAdded(
                content_index=0, content=AssistantMessageContent(text="")
            )
            yield ThreadItemUpdatedEvent(item_id=self._run_id, update=part)
        delta = AssistantMessageContentPartTextDelta(content_index=0, delta=piece.content)
        yield ThreadItemUpdatedEvent(item_id=self._run_id, update=delta)

    def _ended(self, result: dict[str, Any]) -> Iterator[ThreadStreamEvent]:
        """Tell what there is in the end: all of it, a part, or nothing."""
        message = result["message"]
        if message is not None and message["content"] is not None:
            content = AssistantMessageContent(text=message["content"])
            yield ThreadItemDoneEvent(item=self._item(message["created_at"], [content]))
        elif self._is_announced:
            yield ThreadItemRemovedEvent(item_id=self._run_id)

    def _item(
        self, created_at: datetime.datetime | str, content: list[AssistantMessageContent]
    ) -> AssistantMessageItem:
        return AssistantMessageItem.model_validate(
            {
                "id": self._run_id,
                "thread_id": self._thread.id,
                "created_at": created_at,
                "content": content,
            }
        )

    async def _call(self, function: str, **given: Any) -> dict[str, Any]:
        arguments = {**given, "p_actor_id": self._context.actor_id}
        return result_of(await self._database.call(function, arguments), given)


class _NoFiles(AttachmentStore[Context]):
    """Refuses files: nobody here could read them."""

    async def create_attachment(
        self, input: AttachmentCreateParams, context: Context
    ) -> Attachment:
        """Refuse a file."""
        _unsupported("this server takes no files")

    async def delete_attachment(self, attachment_id: str, context: Context) -> None:
        """Refuse: there is none."""
        _unsupported("this server takes no files")


class WithoutContent(logging.Filter):
    """Lets ChatKit log where something went wrong, not what; a refusal it passes on is told."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is to be logged."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            record.msg, record.args = "ChatKit's stream failed", None
        return record.funcName == SWALLOWING or not isinstance(error, Failure | NotFoundError)


def _raise_if_unanswered(run: Mapping[str, Any]) -> None:
    if run["status"] == "failed":
        raise CustomStreamError(run["error"]["message"], allow_retry=True)
    if run["status"] == "expired":
        raise CustomStreamError(UNANSWERED, allow_retry=True)


def _unsupported(message: str) -> NoReturn:
    raise Failure("unsupported", message)
