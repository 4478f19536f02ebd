"""The Store beyond OpenAI's own tests: what models, cancellation and long threads do to it."""

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import anyio
import pytest
from chatkit.store import NotFoundError
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    ClientToolCallItem,
    CustomTask,
    EndOfTurnItem,
    FileAttachment,
    GeneratedImage,
    GeneratedImageItem,
    HiddenContextItem,
    InferenceOptions,
    SDKHiddenContextItem,
    StructuredInputFreeform,
    StructuredInputItem,
    TaskItem,
    ThreadItem,
    ThreadMetadata,
    UserMessageItem,
    UserMessageTextContent,
    WidgetItem,
    Workflow,
    WorkflowItem,
)
from chatkit.widgets import Card, Text

from tests.support import Connection, connect, new_user, succeed, violations
from thin_api.chatkit.store import ParleyStore
from thin_api.db import Database
from thin_api.errors import Failure


@dataclasses.dataclass(frozen=True)
class Context:
    """Whose request it is."""

    actor_id: str


@dataclasses.dataclass
class Shelf:
    """A Store, somebody who has a thread in it, and somebody else."""

    store: ParleyStore[Context]
    db: Connection
    ada: Context
    eve: Context
    thread: ThreadMetadata

    async def add(self, item: ThreadItem) -> None:
        """Add an item to the thread."""
        await self.store.add_thread_item(self.thread.id, item, self.ada)

    async def items(self, limit: int = 100) -> list[ThreadItem]:
        """Return the thread's items, oldest first."""
        page = await self.store.load_thread_items(self.thread.id, None, limit, "asc", self.ada)
        return page.data

    def answer(self, text: str, item_id: str | None = None) -> AssistantMessageItem:
        """Make an answer."""
        return AssistantMessageItem(
            id=item_id or self.store.generate_item_id("message", self.thread, self.ada),
            thread_id=self.thread.id,
            created_at=datetime.now(),  # noqa: DTZ005 - as ChatKit makes them
            content=[AssistantMessageContent(text=text)],
        )


@pytest.fixture
async def shelf(database: Database, shared_dsn: str) -> AsyncIterator[Shelf]:
    """Yield a Store and who uses it."""
    with connect(shared_dsn) as db:
        store: ParleyStore[Context] = ParleyStore(database.call)
        ada, eve = (Context(new_user(db, name)) for name in ("Ada", "Eve"))
        thread = ThreadMetadata(
            id=store.generate_thread_id(ada),
            created_at=datetime.now(),  # noqa: DTZ005
            metadata={"deep": {"er": [1, 2.5, None]}},
        )
        await store.save_thread(thread, ada)
        yield Shelf(store, db, ada, eve, thread)
        assert violations(db) == []


async def test_a_threads_id_is_its_conversations(shelf: Shelf) -> None:
    assert str(uuid.UUID(shelf.thread.id)) == shelf.thread.id
    found = succeed(
        shelf.db,
        "get_assistant_thread",
        conversation_id=shelf.thread.id,
        actor_id=shelf.ada.actor_id,
    )
    assert found["data"]["id"] == shelf.thread.id
    assert await shelf.store.load_thread(shelf.thread.id, shelf.ada) == shelf.thread


async def test_ids_of_items_have_more_than_thirty_two_bits(shelf: Shelf) -> None:
    made = {shelf.store.generate_item_id("tool_call", shelf.thread, shelf.ada) for _ in range(9)}
    assert len(made) == 9
    assert {(one[:3], len(one)) for one in made} == {("tc_", 35)}


async def test_every_kind_of_item_comes_back_as_it_was_saved(shelf: Shelf) -> None:
    kept: list[ThreadItem] = []

    async def keep(kind: type[Any], **fields: Any) -> None:
        item = kind(
            id=f"item_{len(kept)}",
            thread_id=shelf.thread.id,
            created_at=datetime(2026, 1, 2, 3, 4, 5, len(kept)),  # noqa: DTZ001
            **fields,
        )
        await shelf.add(item)
        kept.append(item)

    await keep(
        UserMessageItem,
        content=[UserMessageTextContent(text="why?")],
        quoted_text="because",
        inference_options=InferenceOptions(model="small"),
    )
    await keep(AssistantMessageItem, content=[AssistantMessageContent(text="🙂 \\u0000")])
    await keep(ClientToolCallItem, call_id="c", name="look", arguments={"big": 2**70, "x": 0.1})
    await keep(WidgetItem, widget=Card(children=[Text(value="hello")]), copy_text="hello")
    await keep(GeneratedImageItem, image=GeneratedImage(id="i", url="https://example.com/i"))
    await keep(StructuredInputItem, inputs=[StructuredInputFreeform(id="q", question="name?")])
    await keep(WorkflowItem, workflow=Workflow(type="custom", tasks=[CustomTask(title="t")]))
    await keep(TaskItem, task=CustomTask(title="t", content="c"))
    await keep(HiddenContextItem, content={"any": ["thing"]})
    await keep(SDKHiddenContextItem, content="hidden")
    await keep(EndOfTurnItem)

    assert await shelf.items() == kept
    for item in kept:
        assert await shelf.store.load_item(shelf.thread.id, item.id, shelf.ada) == item
        await shelf.store.save_item(shelf.thread.id, item, shelf.ada)
    assert await shelf.items() == kept
    assert len({type(item) for item in kept}) == 11


async def test_answers_that_all_have_one_id_are_all_kept(shelf: Shelf) -> None:
    first, second = (shelf.answer(text, "__fake_id__") for text in ("First.", "Second."))
    for item in (first, first, second, second, first):
        await shelf.add(item)
    items = await shelf.items()
    assert items == [first, second.model_copy(update={"id": items[1].id})]
    assert items[1].id != "__fake_id__"
    assert await shelf.store.load_item(shelf.thread.id, items[1].id, shelf.ada) == items[1]


@pytest.mark.parametrize("text", ["\0", "a\0b", "\\\0", "\\\\\0"])
async def test_the_character_that_postgresql_has_not_is_refused(shelf: Shelf, text: str) -> None:
    for refused in (
        shelf.add(shelf.answer(text)),
        shelf.store.save_item(shelf.thread.id, shelf.answer(text), shelf.ada),
        shelf.store.save_thread(shelf.thread.model_copy(update={"title": text}), shelf.ada),
        shelf.store.load_item(shelf.thread.id, text, shelf.ada),
        shelf.store.load_thread(text, shelf.ada),
        shelf.store.save_attachment(
            FileAttachment(id="atc", name=text, mime_type="text/plain"), shelf.ada
        ),
    ):
        with pytest.raises(Failure) as caught:
            await refused
        assert caught.value.error == "validation_error"
    assert await shelf.items() == []


async def test_a_backslash_before_u0000_is_text_like_any_other(shelf: Shelf) -> None:
    item = shelf.answer("\\u0000 and \\\\u0000")
    await shelf.add(item)
    assert await shelf.items() == [item]


async def test_a_page_may_be_longer_than_the_databases(shelf: Shelf) -> None:
    items = [shelf.answer(str(number)) for number in range(230)]
    for item in items:
        await shelf.add(item)
    assert await shelf.items(1000) == items
    page = await shelf.store.load_thread_items(shelf.thread.id, None, 150, "desc", shelf.ada)
    assert page.data == items[:-151:-1]
    assert (page.has_more, page.after) == (True, page.data[-1].id)
    rest = await shelf.store.load_thread_items(shelf.thread.id, page.after, 80, "desc", shelf.ada)
    assert rest.data == items[79::-1]
    assert (rest.has_more, rest.after) == (False, None)


async def test_a_page_after_an_item_that_is_not_there_is_refused(shelf: Shelf) -> None:
    with pytest.raises(NotFoundError):
        await shelf.store.load_thread_items(shelf.thread.id, "msg_none", 10, "asc", shelf.ada)
    with pytest.raises(NotFoundError):
        await shelf.store.load_threads(10, str(uuid.uuid4()), "asc", shelf.ada)


async def test_what_is_somebody_elses_is_not_there(shelf: Shelf) -> None:
    item = shelf.answer("hello")
    await shelf.add(item)
    file = FileAttachment(id=f"atc_{uuid.uuid4()}", name="a.txt", mime_type="text/plain")
    await shelf.store.save_attachment(file, shelf.ada)
    store, thread, eve = shelf.store, shelf.thread, shelf.eve
    for refused in (
        store.load_thread(thread.id, eve),
        store.save_thread(thread, eve),
        store.delete_thread(thread.id, eve),
        store.load_item(thread.id, item.id, eve),
        store.add_thread_item(thread.id, shelf.answer("mine"), eve),
        store.save_item(thread.id, item, eve),
        store.delete_thread_item(thread.id, item.id, eve),
        store.load_attachment(file.id, eve),
    ):
        with pytest.raises(NotFoundError):
            await refused
    await store.delete_attachment(file.id, eve)  # as if it had never been there
    assert (await store.load_threads(10, None, "asc", eve)).data == []
    assert await shelf.items() == [item]
    assert await store.load_attachment(file.id, shelf.ada) == file


async def test_an_item_that_was_never_added_is_deleted_without_an_error(shelf: Shelf) -> None:
    await shelf.store.delete_thread_item(shelf.thread.id, "msg_announced", shelf.ada)


class SlowStore(ParleyStore[Context]):
    """A Store whose calls wait until they are let through."""

    def __init__(self, database: Database) -> None:
        super().__init__(self._held)
        self._database = database
        self.is_called = asyncio.Event()
        self.may_go = asyncio.Event()

    async def _held(self, name: str, given: Mapping[str, Any], /) -> bytes:
        self.is_called.set()
        await self.may_go.wait()
        return await self._database.call(name, given)


async def test_a_write_is_finished_though_its_task_is_cancelled(
    shelf: Shelf, database: Database
) -> None:
    slow, item = SlowStore(database), shelf.answer("half an answer")
    writing = asyncio.create_task(slow.add_thread_item(shelf.thread.id, item, shelf.ada))
    await slow.is_called.wait()
    writing.cancel()
    slow.may_go.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await shelf.items() == [item]


async def test_writes_are_finished_in_a_scope_that_is_cancelled(
    shelf: Shelf, database: Database
) -> None:
    """As Starlette cancels the stream of a client who has gone: at each await, again and again."""
    slow, items = SlowStore(database), [shelf.answer("half an answer"), shelf.answer("more")]

    async def write() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            for item in items:
                await slow.add_thread_item(shelf.thread.id, item, shelf.ada)
            raise

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
        slow.may_go.set()
    assert await shelf.items() == items
