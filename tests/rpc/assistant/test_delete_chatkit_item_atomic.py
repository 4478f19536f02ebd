"""api.delete_chatkit_item_atomic."""

import pytest

from tests.rpc.assistant.chatkit import (
    THREAD,
    add_item,
    hidden_item,
    items,
    save_thread,
    user_message,
    widget,
)
from tests.rpc.behind import events, published, value
from tests.rpc.conftest import World
from tests.support import Connection, refuse, send, succeed


@pytest.fixture
def chatkit(db: Connection, world: World) -> str:
    """Ann's thread with three items; its conversation."""
    conversation_id: str = save_thread(db, world.ann)["conversation_id"]
    for item in (user_message("msg_1", "Hello!"), widget("msg_2"), hidden_item("note_1")):
        add_item(db, world.ann, item)
    return conversation_id


def test_it_is_gone_and_its_message_deleted(db: Connection, world: World, chatkit: str) -> None:
    about = {"thread_id": THREAD, "actor_id": world.ann}
    result = succeed(db, "delete_chatkit_item_atomic", **about, item_id="msg_1")
    assert (result["item_id"], result["conversation_id"]) == ("msg_1", chatkit)
    assert [one["id"] for one in items(db, world.ann)] == ["msg_2", "note_1"]
    event = events(db, chatkit)[-1]
    assert (event["type"], event["message"]["id"]) == ("message_deleted", result["message_id"])
    assert event["message"]["content"] is None
    refuse(db, "not_found", "load_chatkit_item", **about, item_id="msg_1")
    assert value(db, "select count(*) from chat.thread_items") == 2


def test_a_hidden_one_goes_as_silently(db: Connection, world: World, chatkit: str) -> None:
    succeed(
        db,
        "delete_chatkit_item_atomic",
        thread_id=THREAD,
        actor_id=world.ann,
        item_id="note_1",
    )
    event, skipped_by = published(db, chatkit)[-1]
    assert (event["type"], skipped_by) == ("message_deleted", [world.ann])


def test_a_message_of_another_way_goes_too(db: Connection, world: World) -> None:
    said = send(db, world.talk, world.ann, "hello")
    about = {"thread_id": world.talk, "actor_id": world.ann}
    result = succeed(db, "delete_chatkit_item_atomic", **about, item_id=said["id"])
    assert result["message_id"] == said["id"]
    assert items(db, world.ann, world.talk) == []


def test_what_is_not_there_is_gone_already(db: Connection, world: World, chatkit: str) -> None:
    about = {"thread_id": THREAD, "actor_id": world.ann}
    succeed(db, "delete_chatkit_item_atomic", **about, item_id="msg_1")
    before = events(db, chatkit)
    for item_id in ("msg_1", "msg_9", world.hello["id"], None):
        result = succeed(db, "delete_chatkit_item_atomic", **about, item_id=item_id)
        assert (result["duplicate"], result["message_id"]) == (True, None)
    assert events(db, chatkit) == before


def test_a_closed_thread_can_be_cleaned_up(db: Connection, world: World, chatkit: str) -> None:
    succeed(db, "close_conversation_atomic", conversation_id=chatkit, actor_id=world.ann)
    about = {"thread_id": THREAD, "actor_id": world.ann}
    succeed(db, "delete_chatkit_item_atomic", **about, item_id="msg_1")
    assert len(items(db, world.ann)) == 2


@pytest.mark.parametrize("who", ["bob", "zoe"])
def test_somebody_elses_thread_does_not_exist(
    db: Connection, world: World, chatkit: str, who: str
) -> None:
    refuse(
        db,
        "not_found",
        "delete_chatkit_item_atomic",
        thread_id=THREAD,
        actor_id=getattr(world, who),
        item_id="msg_1",
    )
    assert len(items(db, world.ann)) == 3


def test_the_thread_must_be_named(db: Connection, world: World) -> None:
    about = {"actor_id": world.ann, "item_id": "msg_1"}
    refuse(db, "validation_error", "delete_chatkit_item_atomic", thread_id=None, **about)
    refuse(db, "too_large", "delete_chatkit_item_atomic", thread_id="x" * 201, **about)
