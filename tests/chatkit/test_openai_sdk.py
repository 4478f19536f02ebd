"""OpenAI's own SDK, `client.beta.chatkit`, against our REST routes."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.beta.chatkit import ChatKitThread, ChatSession
from openai.types.beta.chatkit.chatkit_thread_item_list import Data
from pydantic import BaseModel, TypeAdapter

from tests.chatkit.support import Widget, told
from tests.http.support import Site, token

ITEM: TypeAdapter[Any] = TypeAdapter(Data)


@pytest.fixture
def client(site: Site) -> Iterator[OpenAI]:
    """Yield the SDK as a service would use it."""
    with sdk(site, token(None, role="service")) as client:
        yield client


def sdk(site: Site, bearer: str) -> OpenAI:
    """Make a client of the SDK."""
    return OpenAI(api_key=bearer, base_url=f"{site.url}/api/v1", max_retries=0)


def check(model: BaseModel, kind: type[BaseModel]) -> None:
    """Check an answer against its type: the SDK itself takes whatever comes."""
    kind.model_validate(model.model_dump(), strict=True)


def answered(widget: Widget, question: str = "why?") -> str:
    """Have a question answered; its thread's id."""
    events, thread_id = widget.begin(question)
    widget.answer(thread_id)
    assert told(events)[-1] == "thread.item.done"
    return thread_id


def test_a_session_is_created_used_and_cancelled(client: OpenAI, widget: Widget) -> None:
    begun = int(time.time())
    user = f"customer-{uuid.uuid4()}"
    session = client.beta.chatkit.sessions.create(
        user=user,
        workflow={"id": "wf_1", "state_variables": {"plan": "gold"}},
        expires_after={"anchor": "created_at", "seconds": 600},
        rate_limits={"max_requests_per_1_minute": 7},
        chatkit_configuration={"history": {"enabled": True, "recent_threads": 3}},
    )
    check(session, ChatSession)
    assert (session.status, session.user) == ("active", user)
    assert session.workflow.id == "wf_1"
    assert (session.max_requests_per_1_minute, session.rate_limits.max_requests_per_1_minute) == (
        7,
        7,
    )
    assert begun + 600 <= session.expires_at <= time.time() + 601
    known = widget.with_bearer(session.client_secret)
    assert known.ask("threads.list")["data"] == []

    cancelled = client.beta.chatkit.sessions.cancel(session.id)
    assert (cancelled.id, cancelled.status) == (session.id, "cancelled")
    assert known.post("threads.list").status_code == 401


def test_a_user_creates_sessions_of_their_own_alone(site: Site, widget: Widget) -> None:
    with sdk(site, widget.bearer) as own:
        session = own.beta.chatkit.sessions.create(user=widget.user, workflow={"id": "wf_1"})
        check(session, ChatSession)
        with pytest.raises(openai.PermissionDeniedError):
            own.beta.chatkit.sessions.create(user=str(uuid.uuid4()), workflow={"id": "wf_1"})


def test_threads_are_listed_page_by_page(client: OpenAI, widget: Widget) -> None:
    ids = [answered(widget) for _ in range(3)]
    page = client.beta.chatkit.threads.list(user=widget.user, limit=2)
    for thread in page.data:
        check(thread, ChatKitThread)
    assert [thread.id for thread in page.data] == [ids[2], ids[1]]
    assert (page.has_more, page.last_id) == (True, ids[1])
    every = client.beta.chatkit.threads.list(user=widget.user, limit=2, order="asc")
    assert [thread.id for thread in every] == ids


def test_a_thread_and_its_items_are_shown(client: OpenAI, widget: Widget) -> None:
    thread_id = answered(widget)
    widget.ask("threads.update", thread_id=thread_id, title="Why")
    thread = client.beta.chatkit.threads.retrieve(thread_id)
    check(thread, ChatKitThread)
    assert (thread.id, thread.title, thread.status.type) == (thread_id, "Why", "active")
    assert thread.created_at <= time.time()

    items = client.beta.chatkit.threads.list_items(thread_id, order="asc", limit=1)
    shown = list(items)
    for item in shown:
        ITEM.validate_python(item.model_dump())
    assert [item.type for item in shown] == ["chatkit.user_message", "chatkit.assistant_message"]
    texts = [[part["text"] for part in item.model_dump()["content"]] for item in shown]
    assert texts == [["why?"], ["Because."]]
    assert [item.id for item in shown] == [item["id"] for item in widget.items(thread_id)]


def test_what_is_hidden_is_not_shown(client: OpenAI, widget: Widget) -> None:
    events, thread_id = widget.begin()
    widget.work(thread_id)
    events.close()
    widget.wait_until_cut_short(thread_id)
    items = list(client.beta.chatkit.threads.list_items(thread_id))
    assert [item.type for item in items] == ["chatkit.user_message"]


def test_a_thread_is_deleted_for_good(client: OpenAI, widget: Widget) -> None:
    thread_id = answered(widget)
    deleted = client.beta.chatkit.threads.delete(thread_id)
    assert (deleted.id, deleted.deleted, deleted.object) == (
        thread_id,
        True,
        "chatkit.thread.deleted",
    )
    for gone in (client.beta.chatkit.threads.retrieve, client.beta.chatkit.threads.delete):
        with pytest.raises(openai.NotFoundError):
            gone(thread_id)
    assert widget.ask("threads.list")["data"] == []


def test_refusals_are_the_sdks_exceptions(client: OpenAI, site: Site) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.beta.chatkit.sessions.create(
            user="somebody",
            workflow={"id": "wf_1"},
            expires_after={"anchor": "created_at", "seconds": 0},
        )
    assert (
        caught.value.body == "validation_error"
    )  # what is in `error`; the rest is in the response
    with pytest.raises(openai.NotFoundError):
        client.beta.chatkit.sessions.cancel(str(uuid.uuid4()))
    with sdk(site, "nobody") as stranger, pytest.raises(openai.AuthenticationError):
        stranger.beta.chatkit.threads.list()
