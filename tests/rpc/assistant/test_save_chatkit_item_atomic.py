"""api.save_chatkit_item_atomic."""

import pytest

from tests.rpc.assistant.chatkit import (
    THREAD,
    add_item,
    assistant_message,
    hidden_item,
    items,
    save_item,
    save_thread,
    user_message,
    widget,
)
from tests.rpc.assistant.runs import ask, claim, complete
from tests.rpc.behind import events
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


@pytest.fixture
def chatkit(db: Connection, world: World) -> str:
    """Ann's thread as a Store knows it; its conversation."""
    conversation_id: str = save_thread(db, world.ann)["conversation_id"]
    return conversation_id


def test_what_it_says_now_is_an_edit_of_its_message(
    db: Connection, world: World, chatkit: str
) -> None:
    first = add_item(db, world.ann, assistant_message("msg_1", "Red"))
    saved = assistant_message("msg_1", "Blue", created_at="2027-01-01T00:00:00")
    result = save_item(db, world.ann, saved)
    assert (result["message_id"], result["data"]) == (first["message_id"], saved)
    assert result["message"]["content"] == "Blue"
    assert result["message"]["edited_at"] is not None
    assert items(db, world.ann) == [saved]
    event = events(db, chatkit)[-1]
    assert (event["type"], event["message"]) == ("message_edited", result["message"])
    assert event["actor_id"] == first["message"]["sender_id"]


def test_it_keeps_its_place(db: Connection, world: World, chatkit: str) -> None:
    for item in (user_message("msg_2", "a"), widget("msg_3"), user_message("msg_1", "b")):
        add_item(db, world.ann, item)
    save_item(db, world.ann, user_message("msg_2", "changed"))
    assert [one["id"] for one in items(db, world.ann)] == ["msg_2", "msg_3", "msg_1"]


def test_what_only_the_store_knows_changes_silently(
    db: Connection, world: World, chatkit: str
) -> None:
    add_item(db, world.ann, widget("msg_1"))
    saved = widget("msg_1", copy_text="text")
    result = save_item(db, world.ann, saved)
    assert ("duplicate" in result, result["data"]) == (False, saved)
    assert items(db, world.ann) == [saved]
    assert [one["type"] for one in events(db, chatkit)] == [
        "conversation_created",
        "message_created",
    ]


def test_an_item_may_become_another_kind(db: Connection, world: World, chatkit: str) -> None:
    add_item(db, world.ann, widget("msg_1"))
    result = save_item(db, world.ann, assistant_message("msg_1", "Red"))
    assert (result["message"]["type"], result["message"]["content"]) == ("text", "Red")
    result = save_item(db, world.ann, widget("msg_1"))
    assert (result["message"]["type"], result["message"]["content"]) == ("widget", None)
    assert items(db, world.ann) == [widget("msg_1")]


@pytest.mark.parametrize(
    "other",
    [user_message("msg_1", "Red"), hidden_item("msg_1")],
    ids=["the_users", "hidden"],
)
def test_said_by_another_or_hidden_it_is_another_message(
    db: Connection, world: World, chatkit: str, other: Json
) -> None:
    answer = assistant_message("msg_1", "Blue")
    first = add_item(db, world.ann, answer)
    add_item(db, world.ann, widget("msg_2"))
    second = save_item(db, world.ann, other)
    assert (second["item_id"], second["data"]) == ("msg_1", other)
    assert second["message_id"] != first["message_id"]
    assert items(db, world.ann) == [widget("msg_2"), other]
    third = save_item(db, world.ann, answer)
    assert items(db, world.ann) == [widget("msg_2"), answer]
    page = succeed(db, "list_messages", conversation_id=chatkit, actor_id=world.ann)
    assert page["messages"][-1] == third["message"]
    assert first["message_id"] in [
        event["message"]["id"] for event in events(db, chatkit) if "deleted" in event["type"]
    ]


def test_again_changes_nothing(db: Connection, world: World, chatkit: str) -> None:
    add_item(db, world.ann, user_message("msg_1", "Hello!"))
    first = save_item(db, world.ann, user_message("msg_1", "Hello?"))
    again = save_item(db, world.ann, user_message("msg_1", "Hello?"))
    assert again == {**first, "duplicate": True}


def test_one_that_is_not_there_is_added(db: Connection, world: World, chatkit: str) -> None:
    result = save_item(db, world.ann, user_message("msg_1", "Hello!"))
    assert (result["item_id"], result["message"]["content"]) == ("msg_1", "Hello!")
    assert items(db, world.ann) == [user_message("msg_1", "Hello!")]


def test_a_message_of_another_way_becomes_one(db: Connection, world: World) -> None:
    said = send(db, world.talk, world.ann, "hello")
    ask(db, world.talk, world.ann)
    answer = complete(db, claim(db), "because")["message"]
    for message, item in (
        (said, user_message(said["id"], "hello", quoted_text="hi")),
        (answer, assistant_message(answer["id"], "because", "of you")),
    ):
        result = save_item(db, world.ann, item, world.talk)
        assert (result["message_id"], result["item_id"]) == (message["id"], message["id"])
        assert item in items(db, world.ann, world.talk)
    page = succeed(db, "list_messages", conversation_id=world.talk, actor_id=world.ann)
    assert [one["content"] for one in page["messages"]] == ["hello", "why?", "because\nof you"]


def test_in_a_closed_thread_only_the_user_is_silent(
    db: Connection, world: World, chatkit: str
) -> None:
    add_item(db, world.ann, assistant_message("msg_1", "Red"))
    succeed(db, "close_conversation_atomic", conversation_id=chatkit, actor_id=world.ann)
    save_item(db, world.ann, assistant_message("msg_1", "Blue"))
    for item_id in ("msg_1", "msg_2"):
        refuse(
            db,
            "conversation_closed",
            "save_chatkit_item_atomic",
            thread_id=THREAD,
            actor_id=world.ann,
            item=user_message(item_id, "Hello!"),
        )
    assert items(db, world.ann) == [assistant_message("msg_1", "Blue")]


@pytest.mark.parametrize("who", ["bob", "zoe"])
def test_somebody_elses_thread_does_not_exist(
    db: Connection, world: World, chatkit: str, who: str
) -> None:
    add_item(db, world.ann, user_message("msg_1", "Hello!"))
    refuse(
        db,
        "not_found",
        "save_chatkit_item_atomic",
        thread_id=THREAD,
        actor_id=getattr(world, who),
        item=user_message("msg_1", "Mine"),
    )
    assert items(db, world.ann) == [user_message("msg_1", "Hello!")]


def test_what_is_no_item_is_named(db: Connection, world: World, chatkit: str) -> None:
    about = {"thread_id": THREAD, "actor_id": world.ann}
    for code, field, item in (
        ("validation_error", "item", None),
        ("validation_error", "item.type", {"id": "x"}),
        ("too_large", "item.content", user_message("msg_1", "x" * 16_001)),
    ):
        result = refuse(db, code, "save_chatkit_item_atomic", **about, item=item)
        assert result["details"]["field"] == field
