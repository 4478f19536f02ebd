"""api.list_chatkit_items."""

from typing import Any

import pytest

from tests.rpc.assistant.chatkit import (
    THREAD,
    add_item,
    assistant_message,
    hidden_item,
    ids,
    items,
    save_thread,
    user_message,
    widget,
)
from tests.rpc.assistant.runs import assistant_of
from tests.rpc.behind import set_limit
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed

ADDED = [
    user_message("msg_9", "Hello!"),
    hidden_item("note_1"),
    widget("msg_2"),
    assistant_message("msg_7", "Hi"),
    user_message("msg_1", "Bye"),
]
IDS = [item["id"] for item in ADDED]


def listed(db: Connection, actor_id: str, **arguments: Any) -> Json:
    """List items; the page."""
    return succeed(
        db, "list_chatkit_items", **{"thread_id": THREAD, "actor_id": actor_id, **arguments}
    )


@pytest.fixture
def chatkit(db: Connection, world: World) -> str:
    """Ann's thread with five items; its conversation."""
    conversation_id: str = save_thread(db, world.ann)["conversation_id"]
    for item in ADDED:
        add_item(db, world.ann, item)
    return conversation_id


def test_all_as_they_came_or_the_other_way(db: Connection, world: World, chatkit: str) -> None:
    assert listed(db, world.ann)["data"] == ADDED[::-1]
    assert listed(db, world.ann, order="asc")["data"] == ADDED


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_follow_each_other(db: Connection, world: World, chatkit: str, order: str) -> None:
    seen: list[str] = []
    after = None
    while True:
        page = listed(db, world.ann, limit=2, order=order, after=after)
        seen += ids(page)
        after = page["after"]
        assert page["has_more"] == (after is not None)
        if after is None:
            break
    assert seen == (IDS if order == "asc" else IDS[::-1])


def test_who_asks_for_more_than_a_page_has_gets_a_page(
    db: Connection, world: World, chatkit: str
) -> None:
    set_limit(db, "page_size", 2)
    page = listed(db, world.ann, limit=2_000_000_000)
    assert (ids(page), page["has_more"], page["after"]) == (IDS[:2:-1], True, IDS[3])


def test_messages_of_another_way_are_among_them(db: Connection, world: World, chatkit: str) -> None:
    assistant = assistant_of(db, chatkit)
    said = send(db, chatkit, world.ann, "by the way")
    sent = send(db, chatkit, assistant, "yes?", source="automation")
    image = {"conversation_id": chatkit, "actor_id": assistant, "type": "image"}
    succeed(db, "send_message_atomic", **image)
    gone = send(db, chatkit, world.ann, "gone")
    succeed(
        db,
        "delete_message_atomic",
        conversation_id=chatkit,
        actor_id=world.ann,
        message_id=gone["id"],
    )
    assert [one["id"] for one in items(db, world.ann)] == [*IDS, said["id"], sent["id"]]
    page = listed(db, world.ann, order="asc", after=said["id"])
    assert [one["type"] for one in page["data"]] == ["assistant_message"]


@pytest.mark.parametrize("who", ["bob", "zoe"])
def test_somebody_elses_thread_is_empty(
    db: Connection, world: World, chatkit: str, who: str
) -> None:
    for after in (None, IDS[0]):
        page = listed(db, getattr(world, who), after=after)
        assert (page["data"], page["has_more"], page["after"]) == ([], False, None)
    assert listed(db, world.ann, thread_id="thr_2")["data"] == []
    assert listed(db, world.ann, thread_id=world.group)["data"] == []


def test_a_cursor_is_one_of_them(db: Connection, world: World, chatkit: str) -> None:
    other = send(db, world.talk, world.ann, "hello")
    for after in ("msg_x", other["id"], world.hello["id"]):
        refuse(
            db,
            "not_found",
            "list_chatkit_items",
            thread_id=THREAD,
            actor_id=world.ann,
            after=after,
        )


@pytest.mark.parametrize(
    ("field", "given"),
    [("limit", 0), ("limit", None), ("order", "up"), ("order", None), ("thread_id", None)],
)
def test_what_makes_no_page_is_named(db: Connection, world: World, field: str, given: Any) -> None:
    result = refuse(
        db,
        "validation_error",
        "list_chatkit_items",
        **{"thread_id": THREAD, "actor_id": world.ann, field: given},
    )
    assert result["details"] == {"field": field}


def test_ids_have_a_limit(db: Connection, world: World) -> None:
    refuse(db, "too_large", "list_chatkit_items", thread_id="x" * 201, actor_id=world.ann)
