"""api.save_chatkit_thread_atomic."""

import uuid
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.rpc.assistant.chatkit import load_thread, save_thread, thread
from tests.rpc.assistant.runs import assistant_of, new_thread
from tests.rpc.behind import events, set_limit, value
from tests.rpc.conftest import World
from tests.support import Connection, Json, call, refuse, succeed


def kinds(db: Connection, conversation_id: str) -> list[str]:
    """What was told of a conversation."""
    return [event["type"] for event in events(db, conversation_id)]


def test_it_is_kept_word_for_word(db: Connection, world: World) -> None:
    saved = thread(allowed_image_domains=["example.com"], metadata={"a": {"b": [1, None]}})
    result = save_thread(db, world.ann, **saved)
    assert (result["thread_id"], result["data"]) == ("thr_1", saved)
    assert load_thread(db, world.ann) == saved


def test_the_first_time_it_begins_a_conversation(db: Connection, world: World) -> None:
    conversation_id = save_thread(db, world.ann)["conversation_id"]
    found = succeed(db, "get_assistant_thread", conversation_id=conversation_id, actor_id=world.ann)
    assert (found["title"], found["data"]["metadata"]) == ("A bike", {"colour": "red"})
    assert found["data"]["user_id"] == world.ann
    assert kinds(db, conversation_id) == ["conversation_created"]


def test_an_id_that_is_a_uuid_is_the_conversations(db: Connection, world: World) -> None:
    thread_id = str(uuid.uuid4())
    assert save_thread(db, world.ann, thread_id=thread_id)["conversation_id"] == thread_id
    found = succeed(db, "get_assistant_thread", conversation_id=thread_id, actor_id=world.ann)
    assert found["title"] == "A bike"


def test_any_other_id_leads_to_one_in_each_tenant(db: Connection, world: World) -> None:
    ids = {
        save_thread(db, who, thread_id=thread_id)["conversation_id"]
        for who in (world.ann, world.zoe)
        for thread_id in ("thr_1", "thr_2", "THR_1", "löwe 🦁")
    }
    assert len(ids) == 8


def test_a_thread_begun_elsewhere_is_saved_too(db: Connection, world: World) -> None:
    conversation_id = new_thread(db, world.ann)
    result = save_thread(db, world.ann, thread_id=conversation_id)
    assert result["conversation_id"] == conversation_id
    assert load_thread(db, world.ann, conversation_id)["title"] == "A bike"
    assert kinds(db, conversation_id) == ["conversation_created", "conversation_updated"]


def test_again_changes_nothing(db: Connection, world: World) -> None:
    first = save_thread(db, world.ann)
    again = save_thread(db, world.ann)
    assert again == {**first, "duplicate": True}
    assert kinds(db, first["conversation_id"]) == ["conversation_created"]


def test_a_new_title_is_told(db: Connection, world: World) -> None:
    conversation_id = save_thread(db, world.ann)["conversation_id"]
    result = save_thread(db, world.ann, title="An old bike")
    assert result["data"]["title"] == "An old bike"
    assert kinds(db, conversation_id) == ["conversation_created", "conversation_updated"]
    event = events(db, conversation_id)[-1]
    assert (event["conversation"]["title"], event["actor_id"]) == ("An old bike", world.ann)


def test_what_only_chatkit_knows_changes_silently(db: Connection, world: World) -> None:
    conversation_id = save_thread(db, world.ann)["conversation_id"]
    result = save_thread(db, world.ann, allowed_image_domains=["example.com"])
    assert "duplicate" not in result
    assert load_thread(db, world.ann)["allowed_image_domains"] == ["example.com"]
    assert kinds(db, conversation_id) == ["conversation_created"]


def test_a_closed_one_is_a_closed_conversation(db: Connection, world: World) -> None:
    conversation_id = save_thread(db, world.ann)["conversation_id"]
    about = {"conversation_id": conversation_id, "actor_id": world.ann}
    for status, is_closed in (
        ({"type": "closed", "reason": "sold"}, True),
        ({"type": "locked", "reason": "wait"}, False),
        ({"type": "closed"}, True),
        ({"type": "active"}, False),
    ):
        assert save_thread(db, world.ann, status=status)["data"]["status"] == status
        shown = succeed(db, "get_conversation", **about)["conversation"]
        assert (shown["closed_at"] is not None) == is_closed
        assert load_thread(db, world.ann)["status"] == status
    assert kinds(db, conversation_id)[1:] == [
        "conversation_closed",
        "conversation_reopened",
        "conversation_closed",
        "conversation_reopened",
    ]


def test_it_may_be_closed_from_the_beginning(db: Connection, world: World) -> None:
    result = save_thread(db, world.ann, status={"type": "closed"})
    assert result["data"]["status"] == {"type": "closed"}
    refuse(
        db,
        "conversation_closed",
        "send_message_atomic",
        conversation_id=result["conversation_id"],
        actor_id=world.ann,
        content="hello?",
    )


def test_the_last_one_saved_stays(db: Connection, world: World) -> None:
    conversation_id = save_thread(db, world.ann)["conversation_id"]
    about = {"conversation_id": conversation_id, "actor_id": world.ann}
    succeed(db, "update_conversation_atomic", **about, title="Renamed")
    succeed(db, "close_conversation_atomic", **about)
    assert "duplicate" not in save_thread(db, world.ann)
    assert load_thread(db, world.ann) == thread()


@pytest.mark.parametrize("title", [None, "", "  "])
def test_a_title_may_be_missing(db: Connection, world: World, title: str | None) -> None:
    save_thread(db, world.ann, title=title)
    assert load_thread(db, world.ann)["title"] == title
    assert save_thread(db, world.ann, title=title)["duplicate"] is True
    assert value(db, "select title from chat.conversations where kind = 'assistant'") is None


def test_somebody_elses_does_not_exist(db: Connection, world: World) -> None:
    for thread_id in ("thr_1", str(uuid.uuid4())):
        save_thread(db, world.ann, thread_id=thread_id)
        refuse(
            db,
            "not_found",
            "save_chatkit_thread_atomic",
            thread_id=thread_id,
            actor_id=world.bob,
            thread=thread(thread_id, title="Mine"),
        )
        assert load_thread(db, world.ann, thread_id)["title"] == "A bike"


def test_no_conversation_of_another_kind_becomes_one(db: Connection, world: World) -> None:
    for conversation_id in (world.group, world.thread):
        refuse(
            db,
            "not_found",
            "save_chatkit_thread_atomic",
            thread_id=conversation_id,
            actor_id=world.ann,
            thread=thread(conversation_id),
        )


def test_contacts_and_the_assistant_begin_none(db: Connection, world: World) -> None:
    for user in (world.contact, assistant_of(db, world.talk)):
        refuse(
            db,
            "permission_denied",
            "save_chatkit_thread_atomic",
            thread_id="thr_1",
            actor_id=user,
            thread=thread(),
        )


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("thread_id", {"thread_id": "", "thread": {"id": ""}}),
        ("thread", {"thread_id": "thr_1", "thread": None}),
        ("thread", {"thread_id": "thr_1", "thread": Jsonb([])}),
        ("thread.id", {"thread_id": "thr_1", "thread": {"id": "thr_2"}}),
        ("thread.id", {"thread_id": "thr_1", "thread": {}}),
        ("thread.id", {"thread_id": None, "thread": {"id": "thr_1"}}),
        ("thread_id", {"thread_id": None, "thread": {}}),
        ("metadata", {"thread_id": "thr_1", "thread": {"id": "thr_1", "metadata": []}}),
    ],
)
def test_what_is_no_thread_is_named(
    db: Connection, world: World, field: str, arguments: Json
) -> None:
    result = refuse(
        db, "validation_error", "save_chatkit_thread_atomic", actor_id=world.ann, **arguments
    )
    assert result["details"] == {"field": field}


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("thread", {"extra": "x" * 300_000}),
        ("thread.title", {"title": "x" * 201}),
        ("metadata", {"metadata": {"a": "x" * 8200}}),
    ],
)
def test_what_is_too_large_is_named(db: Connection, world: World, field: str, more: Json) -> None:
    result = refuse(
        db,
        "too_large",
        "save_chatkit_thread_atomic",
        thread_id="thr_1",
        actor_id=world.ann,
        thread=thread(**more),
    )
    assert result["details"]["field"] == field


def test_ids_have_a_limit(db: Connection, world: World) -> None:
    set_limit(db, "key_characters", 5)
    save_thread(db, world.ann)
    refuse(
        db,
        "too_large",
        "save_chatkit_thread_atomic",
        thread_id="thr_12",
        actor_id=world.ann,
        thread=thread("thr_12"),
    )


def test_what_says_nothing_of_metadata_has_none(db: Connection, world: World) -> None:
    saved: dict[str, Any] = {"id": "thr_1", "created_at": "2026-11-21T10:00:00"}
    call(db, "save_chatkit_thread_atomic", thread_id="thr_1", actor_id=world.ann, thread=saved)
    assert load_thread(db, world.ann) == {
        **saved,
        "title": None,
        "metadata": {},
        "status": {"type": "active"},
    }
