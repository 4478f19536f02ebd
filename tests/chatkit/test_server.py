"""Answers in ChatKit's events: begun, cut short, tried again."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from chatkit.store import NotFoundError
from chatkit.types import (
    AssistantMessageContentPartTextDelta,
    InferenceOptions,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    UserMessageTextContent,
)

from tests.chatkit.support import Events, Widget, text_of, told, typed
from tests.rpc.assistant import runs
from tests.support import PATIENCE, Connection, Json, at_once, connect, new_user, succeed, wait_for
from thin_api.chatkit.server import Context, ParleyChatKitServer, WithoutContent
from thin_api.db import Database
from thin_api.hub import Hub
from thin_api.watches import Watches


def test_a_question_is_answered_piece_by_piece(widget: Widget) -> None:
    events = widget.stream("threads.create", input=typed("why?"))
    thread = events.next("thread.created")["thread"]
    question = events.next("thread.item.done")["item"]
    assert (question["type"], text_of(question)) == ("user_message", "why?")
    assert events.next("stream_options") == {
        "type": "stream_options",
        "stream_options": {"allow_cancel": True},
    }
    run = widget.work(thread["id"])
    runs.say(widget.db, run, "Be")
    added = events.next("thread.item.added")["item"]
    assert (added["id"], added["type"], added["content"]) == (run["id"], "assistant_message", [])
    part = events.next("thread.item.updated")
    assert part["item_id"] == run["id"]
    assert part["update"]["type"] == "assistant_message.content_part.added"
    assert events.next("thread.item.updated")["update"] == {
        "type": "assistant_message.content_part.text_delta",
        "content_index": 0,
        "delta": "Be",
    }
    runs.say(widget.db, run, "cause 🙂")
    assert events.next("thread.item.updated")["update"]["delta"] == "cause 🙂"
    runs.complete(widget.db, run)
    done = events.next("thread.item.done")["item"]
    assert (done["id"], text_of(done)) == (run["id"], "Because 🙂")
    assert list(events) == []
    assert widget.items(thread["id"]) == [question, done]


def test_an_answer_that_is_there_at_once_is_one_piece(widget: Widget) -> None:
    events, thread_id = widget.begin()
    run = widget.answer(thread_id)
    kinds = told(events)
    assert kinds[0] == "thread.item.added"
    assert kinds[-1] == "thread.item.done"
    assert widget.said(thread_id) == [("user_message", "why?"), ("assistant_message", "Because.")]
    assert widget.run(run)["status"] == "completed"


def test_what_a_lost_worker_said_is_replaced_by_what_the_next_one_says(widget: Widget) -> None:
    events, thread_id = widget.begin()
    first = widget.work(thread_id)
    runs.say(widget.db, first, "Lost")
    events.next("thread.item.added")
    events.next("thread.item.updated")
    assert events.next("thread.item.updated")["update"]["delta"] == "Lost"
    runs.lose_worker(widget.operator)
    second = widget.work(thread_id)
    assert (second["id"], second["attempt"]) == (first["id"], 2)
    runs.say(widget.db, second, "Found")
    anew = events.next("thread.item.updated")["update"]
    assert anew["type"] == "assistant_message.content_part.added"
    assert (anew["content_index"], anew["content"]["text"]) == (0, "")
    assert events.next("thread.item.updated")["update"]["delta"] == "Found"
    runs.complete(widget.db, second)
    assert text_of(events.next("thread.item.done")["item"]) == "Found"
    assert widget.said(thread_id)[1:] == [("assistant_message", "Found")]


def test_a_client_that_leaves_ends_the_answer_and_what_was_said_is_kept(widget: Widget) -> None:
    events, thread_id = widget.begin()
    run = widget.work(thread_id)
    runs.say(widget.db, run, "Because of")
    events.next("thread.item.added")
    events.close()
    widget.wait_until_cut_short(thread_id)
    assert widget.hidden(thread_id) == ["sdk_hidden_context"]
    assert widget.said(thread_id)[1:] == [("assistant_message", "Because of")]
    assert widget.run(run)["status"] == "cancelled"
    assert runs.say(widget.db, run, " too late")["active"] is False
    messages = list_messages(widget, thread_id)
    assert [one["content"] for one in messages] == ["why?", "Because of"]
    assert messages[1]["metadata"] == {
        "run_id": run["id"],
        "partial": True,
        "status": "cancelled",
    }


def test_a_client_that_leaves_before_anything_was_said_leaves_no_answer(widget: Widget) -> None:
    events, thread_id = widget.begin()
    wait_for(lambda: runs_of(widget, thread_id) == ["queued"], "the run")
    events.close()
    widget.wait_until_cut_short(thread_id)
    assert widget.said(thread_id) == [("user_message", "why?")]
    assert runs_of(widget, thread_id) == ["cancelled"]


def test_after_an_answer_was_cut_short_the_next_question_is_answered(widget: Widget) -> None:
    events, thread_id = widget.begin()
    wait_for(lambda: runs_of(widget, thread_id), "the run")
    events.close()
    widget.wait_until_cut_short(thread_id)
    again = widget.stream("threads.add_user_message", thread_id=thread_id, input=typed("and now?"))
    again.next("thread.item.done")
    run = widget.answer(thread_id)
    assert text_of(list(again)[-1]["item"]) == "Because."
    # The mark is for ChatKit's servers: a responder is given what was said.
    assert [one["content"] for one in run["messages"]] == ["why?", "and now?"]


def test_a_run_that_fails_is_told_with_what_was_said_by_then(widget: Widget) -> None:
    events, thread_id = widget.begin()
    run = widget.work(thread_id)
    runs.say(widget.db, run, "Beca")
    runs.fail(widget.db, run)
    *_, done, error = events
    assert (done["type"], text_of(done["item"])) == ("thread.item.done", "Beca")
    assert error == {
        "type": "error",
        "code": "custom",
        "message": "it is broken",
        "allow_retry": True,
    }
    assert widget.said(thread_id)[1:] == [("assistant_message", "Beca")]


def test_a_run_that_fails_without_a_word_is_told(widget: Widget) -> None:
    events, thread_id = widget.begin()
    runs.fail(widget.db, widget.work(thread_id))
    assert told(events) == ["error"]
    assert widget.said(thread_id) == [("user_message", "why?")]


def test_an_answer_that_nobody_gives_in_time_is_told(widget: Widget) -> None:
    events, thread_id = widget.begin()
    wait_for(lambda: runs_of(widget, thread_id), "the run")
    runs.outdate(widget.operator)
    succeed(widget.db, "claim_run", worker="one")
    (error,) = events
    assert (error["message"], error["allow_retry"]) == ("The answer took too long.", True)


def test_an_answer_cancelled_elsewhere_ends_here(widget: Widget) -> None:
    events, thread_id = widget.begin()
    run = widget.work(thread_id)
    runs.say(widget.db, run, "Beca")
    events.next("thread.item.added")
    with widget.site.user(widget.user) as client:
        path = f"/api/v1/chatkit/threads/{thread_id}/runs/{run['id']}/cancel"
        assert client.post(path).status_code == 200
    assert text_of(list(events)[-1]["item"]) == "Beca"
    assert widget.hidden(thread_id) == []


def test_another_answer_takes_the_place_of_the_one_before(widget: Widget) -> None:
    events, thread_id = widget.begin()
    widget.answer(thread_id, "First.")
    assert told(events)[-1] == "thread.item.done"
    question = widget.items(thread_id)[0]
    again = widget.stream("threads.retry_after_item", thread_id=thread_id, item_id=question["id"])
    again.next("stream_options")
    widget.answer(thread_id, "Second.")
    assert text_of(list(again)[-1]["item"]) == "Second."
    assert widget.said(thread_id) == [("user_message", "why?"), ("assistant_message", "Second.")]
    assert runs_of(widget, thread_id) == ["completed", "completed"]


def test_tried_again_twice_at_once_there_is_one_answer(widget: Widget) -> None:
    events, thread_id = widget.begin()
    widget.answer(thread_id, "First.")
    assert told(events)[-1] == "thread.item.done"
    question = widget.items(thread_id)[0]["id"]

    def try_again() -> Events:
        again = widget.stream("threads.retry_after_item", thread_id=thread_id, item_id=question)
        again.next("stream_options")  # by now the first answer is deleted
        return again

    both = at_once([try_again, try_again])
    widget.answer(thread_id, "Second.")
    assert [text_of(list(again)[-1]["item"]) for again in both] == ["Second.", "Second."]
    assert widget.said(thread_id) == [("user_message", "why?"), ("assistant_message", "Second.")]
    assert runs_of(widget, thread_id) == ["completed", "completed"]


def test_tried_again_while_it_is_being_answered_the_answer_is_followed(widget: Widget) -> None:
    events, thread_id = widget.begin()
    run = widget.work(thread_id)
    runs.say(widget.db, run, "Be")
    events.next("thread.item.added")
    question = widget.items(thread_id)[0]["id"]
    again = widget.stream("threads.retry_after_item", thread_id=thread_id, item_id=question)
    again.next("stream_options")
    assert again.next("thread.item.added")["item"]["id"] == run["id"]
    runs.say(widget.db, run, "cause")
    runs.complete(widget.db, run)
    assert text_of(list(again)[-1]["item"]) == text_of(list(events)[-1]["item"]) == "Because"


def test_a_question_beside_an_answer_under_way_can_be_tried_again_later(widget: Widget) -> None:
    events, thread_id = widget.begin()
    run = widget.work(thread_id)
    second = widget.stream("threads.add_user_message", thread_id=thread_id, input=typed("and?"))
    question = second.next("thread.item.done")["item"]
    assert second.next("stream_options")
    error = second.next("error")
    assert error["allow_retry"] is True
    runs.complete(widget.db, run, "Because.")
    assert told(events)[-1] == "thread.item.done"
    again = widget.stream("threads.retry_after_item", thread_id=thread_id, item_id=question["id"])
    again.next("stream_options")
    widget.answer(thread_id, "And so on.")
    assert text_of(list(again)[-1]["item"]) == "And so on."


def test_what_the_widget_wishes_for_is_given_to_the_responder(widget: Widget) -> None:
    wishes = {"model": "small", "tool_choice": {"id": "search"}}
    events = widget.stream("threads.create", input=typed("why?", inference_options=wishes))
    thread_id = events.next("thread.created")["thread"]["id"]
    run = widget.work(thread_id)
    assert run["configuration"] == {"inference_options": wishes}
    runs.complete(widget.db, run, "So.")
    assert told(events)[-1] == "thread.item.done"


def test_a_session_begins_as_many_answers_as_it_may(widget: Widget) -> None:
    session = succeed(
        widget.db,
        "create_session_atomic",
        actor_id=widget.user,
        rate_limits={"max_requests_per_1_minute": 1},
    )
    limited = widget.with_bearer(session["client_secret"])
    events, thread_id = limited.begin()
    run = limited.answer(thread_id)
    assert run["session_id"] == session["session_id"]
    assert told(events)[-1] == "thread.item.done"
    more = limited.stream("threads.add_user_message", thread_id=thread_id, input=typed("and?"))
    error = list(more)[-1]
    assert (error["type"], error["allow_retry"]) == ("error", True)
    assert "1 runs a minute" in error["message"]


def test_an_answer_may_be_longer_than_a_message(widget: Widget) -> None:
    events, thread_id = widget.begin()
    run = widget.answer(thread_id, "long " * 10_000)
    assert text_of(list(events)[-1]["item"]) == "long " * 10_000
    assert [item["id"] for item in widget.items(thread_id)[1:]] == [run["id"]]


class HeldDatabase:
    """The database, whose answer to a run that is asked for waits until it is let through."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_asked = asyncio.Event()
        self.may_go = asyncio.Event()

    async def call(self, name: str, given: Mapping[str, Any]) -> bytes:
        """Call a function."""
        result = await self._database.call(name, given)
        if name == "create_run_atomic":
            self.is_asked.set()
            await self.may_go.wait()
        return result


@contextlib.asynccontextmanager
async def asked(
    database: Database, dsn: str, watches: Watches | None = None
) -> AsyncIterator[tuple[Connection, Context, ThreadMetadata, AsyncIterator[ThreadStreamEvent]]]:
    """Put a question to our server itself, without HTTP; what it responds with."""
    with connect(dsn) as db:
        context = Context(new_user(db), None, asyncio.Event(), asyncio.Event())
        hub = SimpleNamespace(watch=watches.open) if watches else None
        server = ParleyChatKitServer(database, cast("Hub", hub))
        now = datetime.now()  # noqa: DTZ005
        thread = ThreadMetadata(id=server.store.generate_thread_id(context), created_at=now)
        question = UserMessageItem(
            id="msg_1",
            thread_id=thread.id,
            created_at=now,
            content=[UserMessageTextContent(text="why?")],
            inference_options=InferenceOptions(),
        )
        await server.store.save_thread(thread, context)
        await server.store.add_thread_item(thread.id, question, context)
        async with asyncio.timeout(PATIENCE):
            yield db, context, thread, server.respond(thread, question, context)


async def test_a_run_that_was_just_asked_for_is_cancelled_with_its_request(
    database: Database, shared_dsn: str
) -> None:
    held = HeldDatabase(database)
    async with asked(cast("Database", held), shared_dsn) as (db, context, thread, response):
        responding = asyncio.ensure_future(anext(response))
        await held.is_asked.wait()
        responding.cancel()
        held.may_go.set()
        with pytest.raises(asyncio.CancelledError):
            await responding
        page = succeed(db, "list_runs", conversation_id=thread.id, actor_id=context.actor_id)
        assert [run["status"] for run in page["data"]] == ["cancelled"]


async def test_a_slow_client_is_told_less_often(database: Database, shared_dsn: str) -> None:
    watches = Watches(lambda: True)
    async with asked(database, shared_dsn, watches) as (db, context, thread, response):
        context.taken.set()
        waiting = asyncio.ensure_future(anext(response))
        run = None
        while run is None:
            run = orjson.loads(await database.call("claim_run", {"p_worker": "one"}))["data"]

        async def say(text: str) -> None:
            runs.say(db, run, text)
            watches.ring(thread.id)
            await database.call("get_run", {"p_conversation_id": thread.id, "p_run_id": run["id"]})

        await say("one ")
        assert [(await waiting).type, (await anext(response)).type] == [
            "thread.item.added",
            "thread.item.updated",
        ]
        assert delta_of(await anext(response)) == "one "
        context.taken.clear()
        waiting = asyncio.ensure_future(anext(response))
        for text in ("two ", "three ", "four"):
            await say(text)
        context.taken.set()
        assert delta_of(await waiting) == "two three four"
        runs.complete(db, run)
        watches.ring(thread.id)
        assert (await anext(response)).type == "thread.item.done"


def delta_of(event: ThreadStreamEvent) -> str:
    """Return the text that an event adds."""
    assert isinstance(event, ThreadItemUpdatedEvent)
    assert isinstance(event.update, AssistantMessageContentPartTextDelta)
    return event.update.delta


@pytest.mark.parametrize(
    ("error", "function", "is_logged"),
    [
        (ValueError("what was said"), "_process_streaming", True),
        (NotFoundError("what was said"), "_process_streaming", False),
        (NotFoundError("what was said"), "_process_events", True),
    ],
)
def test_chatkit_logs_where_something_failed_but_not_what_was_said(
    error: Exception, function: str, is_logged: bool
) -> None:
    where = ("chatkit", logging.ERROR, "server.py", 1, str(error), None)
    record = logging.LogRecord(*where, (type(error), error, None), function)
    assert WithoutContent().filter(record) is is_logged
    assert "said" not in record.getMessage()


def list_messages(widget: Widget, thread_id: str) -> list[Json]:
    """Return the messages of a thread as REST tells them."""
    with widget.site.user(widget.user) as client:
        response = client.get(f"/api/v1/chatkit/threads/{thread_id}/messages")
        return list(response.json()["data"])


def runs_of(widget: Widget, thread_id: str) -> list[str]:
    """Return the states of a thread's runs, oldest first."""
    page = succeed(widget.db, "list_runs", conversation_id=thread_id, actor_id=widget.user)
    return [run["status"] for run in reversed(page["data"])]
