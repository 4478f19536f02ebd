"""api.load_chatkit_item."""

from datetime import datetime

import pytest

from tests.rpc.assistant.chatkit import (
    THREAD,
    add_item,
    hidden_item,
    save_thread,
    user_message,
)
from tests.rpc.assistant.runs import ask, assistant_of, claim, complete
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


def loaded(db: Connection, actor_id: str, item_id: str, thread_id: str = THREAD) -> Json:
    """Load an item; what it answers."""
    return succeed(db, "load_chatkit_item", thread_id=thread_id, actor_id=actor_id, item_id=item_id)


def test_it_is_what_was_saved(db: Connection, world: World) -> None:
    save_thread(db, world.ann)
    for item in (user_message("msg_1", "Hello!"), hidden_item("note_1")):
        added = add_item(db, world.ann, item)
        assert loaded(db, world.ann, item["id"]) == added
        assert added["data"] == item


def test_a_message_of_another_way_is_made_one(db: Connection, world: World) -> None:
    said = send(db, world.talk, world.ann, "hello")
    ask(db, world.talk, world.ann)
    answer = complete(db, claim(db), "because")["message"]
    item = loaded(db, world.ann, said["id"], world.talk)["data"]
    assert datetime.fromisoformat(item.pop("created_at")) == datetime.fromisoformat(
        said["created_at"]
    )
    assert item == {
        "id": said["id"],
        "thread_id": world.talk,
        "type": "user_message",
        "content": [{"type": "input_text", "text": "hello"}],
        "attachments": [],
        "quoted_text": None,
        "inference_options": {},
    }
    result = loaded(db, world.ann, answer["id"], world.talk)
    assert (result["message_id"], result["message"]) == (answer["id"], answer)
    assert result["data"]["type"] == "assistant_message"
    assert result["data"]["content"] == [
        {"type": "output_text", "text": "because", "annotations": []}
    ]


def test_in_a_thread_of_a_store_it_says_that_threads_id(db: Connection, world: World) -> None:
    conversation_id = save_thread(db, world.ann)["conversation_id"]
    said = send(db, conversation_id, world.ann, "hello")
    result = loaded(db, world.ann, said["id"])
    assert (result["thread_id"], result["data"]["thread_id"]) == (THREAD, THREAD)


def test_what_chatkit_has_no_item_for_is_none(db: Connection, world: World) -> None:
    about = {"conversation_id": world.talk, "actor_id": assistant_of(db, world.talk)}
    image = succeed(db, "send_message_atomic", **about, type="image")["message"]
    gone = send(db, world.talk, world.ann, "gone")
    succeed(
        db,
        "delete_message_atomic",
        conversation_id=world.talk,
        actor_id=world.ann,
        message_id=gone["id"],
    )
    for item_id in (image["id"], gone["id"], world.hello["id"], NOBODY, "msg_1", None):
        refuse(
            db,
            "not_found",
            "load_chatkit_item",
            thread_id=world.talk,
            actor_id=world.ann,
            item_id=item_id,
        )


def test_an_item_goes_by_its_own_id(db: Connection, world: World) -> None:
    save_thread(db, world.ann)
    added = add_item(db, world.ann, user_message("msg_1", "Hello!"))
    refuse(
        db,
        "not_found",
        "load_chatkit_item",
        thread_id=THREAD,
        actor_id=world.ann,
        item_id=added["message_id"],
    )


@pytest.mark.parametrize("who", ["bob", "zoe"])
def test_somebody_elses_does_not_exist(db: Connection, world: World, who: str) -> None:
    save_thread(db, world.ann)
    add_item(db, world.ann, user_message("msg_1", "Hello!"))
    refuse(
        db,
        "not_found",
        "load_chatkit_item",
        thread_id=THREAD,
        actor_id=getattr(world, who),
        item_id="msg_1",
    )


def test_the_thread_must_be_named(db: Connection, world: World) -> None:
    about = {"actor_id": world.ann, "item_id": "msg_1"}
    refuse(db, "validation_error", "load_chatkit_item", thread_id=None, **about)
    refuse(db, "too_large", "load_chatkit_item", thread_id="x" * 201, **about)
