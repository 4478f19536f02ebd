"""A Store for OpenAI's ChatKit: each of its methods is one function of the database.

It serves our own server (`thin_api.chatkit.server`), and any ChatKitServer somebody writes: give it
something to call functions with and say who a context is (docs/assistant.md).
"""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any, Protocol, TypeVar

import anyio
import structlog
from chatkit.store import NotFoundError, Store, StoreItemType, TContext, default_generate_id
from chatkit.types import Attachment, Page, ThreadItem, ThreadMetadata
from pydantic import BaseModel, TypeAdapter
from pydantic_core import from_json

from thin_api import errors
from thin_api.errors import Failure

log = structlog.get_logger(__name__)

T = TypeVar("T")
# An escaped NUL in JSON text, and not the six characters after an escaped backslash.
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
THREAD_ITEM: TypeAdapter[ThreadItem] = TypeAdapter(ThreadItem)
ATTACHMENT: TypeAdapter[Attachment] = TypeAdapter(Attachment)


class Call(Protocol):
    """Calls an api function with named arguments; jsonb is JSON text there and back."""

    def __call__(self, name: str, given: Mapping[str, Any], /) -> Awaitable[bytes | str]:
        """Return what the function returns: `thin_api.db.Database.call` does."""


class ParleyStore(Store[TContext]):
    """Threads, items and attachments of whoever the context stands for."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def actor_id(self, context: TContext) -> str:
        """Return whose threads these are, as the id of one of Parley's users; made to override."""
        return str(context.actor_id)  # type: ignore[attr-defined]

    def generate_thread_id(self, context: TContext) -> str:
        """Return an id that is the conversation's, too: what REST calls the thread."""
        return str(uuid.uuid4())

    def generate_item_id(
        self, item_type: StoreItemType, thread: ThreadMetadata, context: TContext
    ) -> str:
        """Return an id nobody else gets: ChatKit's own have 32 bits of chance, these 122."""
        prefix, _, _ = default_generate_id(item_type).partition("_")
        return f"{prefix}_{uuid.uuid4().hex}"

    async def load_thread(self, thread_id: str, context: TContext) -> ThreadMetadata:
        """Return a thread; NotFoundError when there is none, or it is somebody else's."""
        result = await self._ask("load_chatkit_thread", context, p_thread_id=thread_id)
        return ThreadMetadata.model_validate(result["data"])

    async def save_thread(self, thread: ThreadMetadata, context: TContext) -> None:
        """Insert or update a thread."""
        await self._tell(
            "save_chatkit_thread_atomic", context, p_thread_id=thread.id, p_thread=_json(thread)
        )

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: TContext
    ) -> Page[ThreadMetadata]:
        """Return a page of the threads, in the order they were created."""
        page = await self._page("list_chatkit_threads", context, limit, after, p_order=order)
        return Page[ThreadMetadata].model_validate(page)

    async def delete_thread(self, thread_id: str, context: TContext) -> None:
        """Delete a thread with all that was said in it."""
        await self._tell("delete_chatkit_thread_atomic", context, p_thread_id=thread_id)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: TContext
    ) -> Page[ThreadItem]:
        """Return a page of a thread's items, in the order they were added."""
        page = await self._page(
            "list_chatkit_items", context, limit, after, p_thread_id=thread_id, p_order=order
        )
        return Page[ThreadItem].model_validate(page)

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: TContext) -> None:
        """Add an item; the same one again changes nothing."""
        result = await self._tell(
            "add_chatkit_item_atomic", context, p_thread_id=thread_id, p_item=_json(item)
        )
        if result["item_id"] != item.id:
            # Models spoken to through chat completions call every answer __fake_id__.
            log.warning("item_id_taken", thread_id=thread_id, stored_as=result["item_id"])

    async def save_item(self, thread_id: str, item: ThreadItem, context: TContext) -> None:
        """Insert or replace an item."""
        await self._tell(
            "save_chatkit_item_atomic", context, p_thread_id=thread_id, p_item=_json(item)
        )

    async def load_item(self, thread_id: str, item_id: str, context: TContext) -> ThreadItem:
        """Return an item; NotFoundError when it is not there to be seen."""
        result = await self._ask(
            "load_chatkit_item", context, p_thread_id=thread_id, p_item_id=item_id
        )
        return THREAD_ITEM.validate_python(result["data"])

    async def delete_thread_item(self, thread_id: str, item_id: str, context: TContext) -> None:
        """Delete an item; one that was only announced is not there, and that is no error."""
        await self._tell(
            "delete_chatkit_item_atomic", context, p_thread_id=thread_id, p_item_id=item_id
        )

    async def save_attachment(self, attachment: Attachment, context: TContext) -> None:
        """Insert or update what is known of a file."""
        await self._tell(
            "save_attachment_atomic",
            context,
            p_attachment_id=attachment.id,
            p_attachment=_json(attachment),
        )

    async def load_attachment(self, attachment_id: str, context: TContext) -> Attachment:
        """Return what is known of a file."""
        result = await self._ask("load_attachment", context, p_attachment_id=attachment_id)
        return ATTACHMENT.validate_python(result["data"])

    async def delete_attachment(self, attachment_id: str, context: TContext) -> None:
        """Forget a file."""
        await self._tell("delete_attachment_atomic", context, p_attachment_id=attachment_id)

    async def _page(
        self, function: str, context: TContext, limit: int, after: str | None, **given: Any
    ) -> dict[str, Any]:
        """Read as many rows as are wanted: the database gives only so many at once."""
        rows: list[Any] = []
        while True:
            page = await self._ask(
                function, context, p_limit=limit - len(rows), p_after=after, **given
            )
            rows += page["data"]
            after = page["after"]
            if not page["has_more"] or len(rows) >= limit:
                return {"data": rows, "has_more": page["has_more"], "after": after}

    async def _tell(self, function: str, context: TContext, **given: Any) -> dict[str, Any]:
        """Write, even when the request is cancelled meanwhile: half an answer is saved then."""
        return await to_the_end(self._ask(function, context, **given))

    async def _ask(self, function: str, context: TContext, **given: Any) -> dict[str, Any]:
        """Call a function for the context's user; NotFoundError or Failure when it refuses."""
        if any(map(_holds_nul, given.values())):
            raise errors.invalid("text", "must not hold the character U+0000")
        arguments = {
            **{name: value for name, value in given.items() if value is not None},
            "p_actor_id": await self.actor_id(context),
        }
        return result_of(await self._call(function, arguments), given)


def result_of(raw: bytes | str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Read what a function returned; what it refused is raised."""
    result: dict[str, Any] = from_json(raw)
    if result["success"]:
        return result
    if result["error"] == "not_found":
        raise NotFoundError(_missing(given))
    raise Failure(
        result["error"],
        result["message"],
        details=result["details"],
        status=int(result["code"].removeprefix("PT")),
    )


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Do this whole, then let a cancellation that came meanwhile go on.

    The scope holds off anyio's cancellation, which Starlette uses when a client disconnects and
    which comes again at each await; the task holds off asyncio's own, which comes once.
    """
    task = asyncio.ensure_future(work)
    with anyio.CancelScope(shield=True):
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise
    return task.result()


def _json(model: BaseModel) -> bytes:
    return model.model_dump_json().encode()


def _holds_nul(value: Any) -> bool:
    if isinstance(value, bytes):
        return NUL.search(value) is not None
    return isinstance(value, str) and "\x00" in value


def _missing(given: Mapping[str, Any]) -> str:
    """Say what there is none of, in the words of ChatKit's own stores."""
    for name, kind in (("p_item_id", "Item"), ("p_attachment_id", "Attachment")):
        if name in given:
            return f"{kind} {given[name]} not found"
    return f"Thread {given.get('p_thread_id')} not found"
