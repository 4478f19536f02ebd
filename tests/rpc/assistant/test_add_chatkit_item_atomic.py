"""api.add_chatkit_item_atomic."""

import uuid
from typing import Any

import pytest
from psycopg.types.json import Jsonb

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
from tests.rpc.assistant.runs import ask, assistant_of, claim, complete
from tests.rpc.behind import published, set_limit, value
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


@pytest.fixture
def chatkit(db: Connection, world: World) -> str:
    """Ann's thread as a Store knows it; its conversation."""
    conversation_id: str = save_thread(db, world.ann)["conversation_id"]
    return conversation_id


def seen(db: Connection, actor_id: str, conversation_id: str) -> list[Json]:
    """What a member sees of a conversation."""
    page = succeed(db, "list_messages", conversation_id=conversation_id, actor_id=actor_id)
    messages: list[Json] = page["messages"]
    return messages


def test_it_is_kept_word_for_word_in_the_order_it_came(
    db: Connection, world: World, chatkit: str
) -> None:
    added = [
        user_message("msg_9", "Hello!", attachments=[{"id": "file_1", "type": "file"}]),
        assistant_message("msg_1", "Hi", "there", extra={"é": ["🚲", None, 1.5]}),
        widget("msg_5"),
        hidden_item("note_1", content={"any": ["thing"]}),
    ]
    for item in added:
        assert add_item(db, world.ann, item)["data"] == item
    assert items(db, world.ann) == added


def test_a_message_of_the_log_stands_for_it(db: Connection, world: World, chatkit: str) -> None:
    said = add_item(db, world.ann, user_message("msg_1", "Hello!", "A bike?"))
    assert (said["item_id"], said["message_id"]) == ("msg_1", said["message"]["id"])
    assert (said["thread_id"], said["conversation_id"]) == (THREAD, chatkit)
    answer = add_item(db, world.ann, assistant_message("msg_2", "Red", "or blue?"))
    clicked = add_item(db, world.ann, widget("msg_3"))
    assert [
        (one["sender_id"], one["source"], one["type"], one["content"])
        for one in seen(db, world.ann, chatkit)
    ] == [
        (world.ann, "person", "text", "Hello!\nA bike?"),
        (assistant_of(db, chatkit), "bot", "text", "Red\nor blue?"),
        (assistant_of(db, chatkit), "bot", "widget", None),
    ]
    assert seen(db, world.ann, chatkit) == [
        said["message"],
        answer["message"],
        clicked["message"],
    ]


def test_a_text_with_tags_is_put_together_as_it_was_typed(
    db: Connection, world: World, chatkit: str
) -> None:
    item = user_message("msg_1")
    item["content"] = [
        {"type": "input_text", "text": "Is "},
        {"type": "input_tag", "id": "b1", "text": "bike", "data": {}},
        {"type": "input_text", "text": " red?"},
    ]
    assert add_item(db, world.ann, item)["message"]["content"] == "Is @bike red?"


@pytest.mark.parametrize("make", [user_message, assistant_message])
def test_a_message_may_say_nothing(db: Connection, world: World, chatkit: str, make: Any) -> None:
    assert add_item(db, world.ann, make("msg_1"))["message"]["content"] == ""


@pytest.mark.parametrize("kind", ["hidden_context_item", "sdk_hidden_context"])
def test_nobody_but_the_store_sees_a_hidden_one(
    db: Connection, world: World, chatkit: str, kind: str
) -> None:
    add_item(db, world.ann, hidden_item("note_1", type=kind))
    assert seen(db, world.ann, chatkit) == []
    changes = succeed(db, "list_changes", conversation_id=chatkit, actor_id=world.ann)["changes"]
    assert [one["type"] for one in changes] == ["skip"]
    event, skipped_by = published(db, chatkit)[-1]
    assert (event["type"], skipped_by) == ("message_created", [world.ann])
    shown = succeed(db, "get_conversation", conversation_id=chatkit, actor_id=world.ann)
    assert shown["conversation"]["unread_count"] == 0
    rest = succeed(db, "list_thread_items", conversation_id=chatkit, actor_id=world.ann)
    assert rest["data"] == []
    assert [one["id"] for one in items(db, world.ann)] == ["note_1"]


def test_the_same_one_again_is_there_already(db: Connection, world: World, chatkit: str) -> None:
    for item in (user_message("msg_1", "Hello!"), hidden_item("note_1"), widget("msg_2")):
        first = add_item(db, world.ann, item)
        assert add_item(db, world.ann, item) == {**first, "duplicate": True}
    assert len(items(db, world.ann)) == 3


def test_another_one_with_an_id_that_is_taken_gets_its_own(
    db: Connection, world: World, chatkit: str
) -> None:
    answers = [assistant_message("__fake_id__", text) for text in ("Red", "Blue", "Green")]
    ids = [add_item(db, world.ann, item)["item_id"] for item in answers]
    assert ids[0] == "__fake_id__"
    assert len(set(ids)) == 3
    assert items(db, world.ann) == [
        {**item, "id": item_id} for item, item_id in zip(answers, ids, strict=True)
    ]
    again = [add_item(db, world.ann, item) for item in answers]
    assert [one["duplicate"] for one in again] == [True] * 3
    assert [one["item_id"] for one in again] == ids


def test_an_id_belongs_to_its_thread(db: Connection, world: World, chatkit: str) -> None:
    save_thread(db, world.ann, thread_id="thr_2")
    for thread_id in (THREAD, "thr_2"):
        result = add_item(db, world.ann, user_message("msg_1", "Hello!"), thread_id)
        assert (result["item_id"], "duplicate" in result) == ("msg_1", False)


def test_a_runs_answer_is_there_already(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann)
    answer = complete(db, claim(db), "because")["message"]
    item = assistant_message(answer["id"], "because")
    result = add_item(db, world.ann, item, world.talk)
    assert (result["duplicate"], result["message_id"]) == (True, answer["id"])
    other = add_item(db, world.ann, assistant_message(answer["id"], "why not"), world.talk)
    assert other["item_id"] != answer["id"]
    assert [one["content"] for one in seen(db, world.ann, world.talk)] == [
        "why?",
        "because",
        "why not",
    ]


def test_who_said_it_counts(db: Connection, world: World) -> None:
    said = send(db, world.talk, world.ann, "yes")
    result = add_item(db, world.ann, assistant_message(said["id"], "yes"), world.talk)
    assert "duplicate" not in result
    assert [one["source"] for one in seen(db, world.ann, world.talk)] == ["person", "bot"]


def test_what_was_deleted_may_come_again(db: Connection, world: World, chatkit: str) -> None:
    item = user_message("msg_1", "Hello!")
    add_item(db, world.ann, item)
    about = {"thread_id": THREAD, "actor_id": world.ann, "item_id": "msg_1"}
    succeed(db, "delete_chatkit_item_atomic", **about)
    assert "duplicate" not in add_item(db, world.ann, item)
    assert items(db, world.ann) == [item]


def test_a_user_says_nothing_in_a_closed_thread_and_the_rest_is_kept(
    db: Connection, world: World, chatkit: str
) -> None:
    succeed(db, "close_conversation_atomic", conversation_id=chatkit, actor_id=world.ann)
    refuse(
        db,
        "conversation_closed",
        "add_chatkit_item_atomic",
        thread_id=THREAD,
        actor_id=world.ann,
        item=user_message("msg_1", "Hello!"),
    )
    add_item(db, world.ann, assistant_message("msg_2", "Good bye"))
    add_item(db, world.ann, hidden_item("note_1"))
    assert [one["id"] for one in items(db, world.ann)] == ["msg_2", "note_1"]
    assert value(
        db, "select closed_at is not null from chat.conversations where conversation_id = %s",
        chatkit,
    )  # fmt: skip


@pytest.mark.parametrize("who", ["bob", "zoe"])
def test_somebody_elses_thread_does_not_exist(
    db: Connection, world: World, chatkit: str, who: str
) -> None:
    for thread_id in (THREAD, chatkit, str(uuid.uuid4())):
        refuse(
            db,
            "not_found",
            "add_chatkit_item_atomic",
            thread_id=thread_id,
            actor_id=getattr(world, who),
            item=user_message("msg_1", "Hello!"),
        )


@pytest.mark.parametrize(
    ("field", "item"),
    [
        ("item", None),
        ("item", Jsonb([])),
        ("item.id", {"type": "widget"}),
        ("item.id", {"type": "widget", "id": ""}),
        ("item.type", {"id": "x"}),
        ("item.type", {"id": "x", "type": "system"}),
        ("item.type", {"id": "x", "type": "text"}),
        ("item.type", {"id": "x", "type": "Widget"}),
        ("item.type", {"id": "x", "type": 1}),
        ("item.content", {"id": "x", "type": "user_message"}),
        ("item.content", {"id": "x", "type": "assistant_message", "content": "hello"}),
    ],
)
def test_what_is_no_item_is_named(
    db: Connection, world: World, chatkit: str, field: str, item: Json
) -> None:
    result = refuse(
        db,
        "validation_error",
        "add_chatkit_item_atomic",
        thread_id=THREAD,
        actor_id=world.ann,
        item=item,
    )
    assert result["details"] == {"field": field}


def test_what_is_too_large_is_named(db: Connection, world: World, chatkit: str) -> None:
    for field, item in (
        ("item", widget("msg_1", copy_text="x" * 300_000)),
        ("item.id", widget("x" * 201)),
        ("item.content", user_message("msg_1", "x" * 9000, "y" * 9000)),
    ):
        result = refuse(
            db,
            "too_large",
            "add_chatkit_item_atomic",
            thread_id=THREAD,
            actor_id=world.ann,
            item=item,
        )
        assert result["details"]["field"] == field
    add_item(db, world.ann, assistant_message("msg_2", "x" * 100_000))
    set_limit(db, "item_bytes", 400_000)
    add_item(db, world.ann, widget("msg_1", copy_text="x" * 300_000))


def test_editing_the_message_elsewhere_rewords_the_item(
    db: Connection, world: World, chatkit: str
) -> None:
    said = add_item(db, world.ann, user_message("msg_1", "Hello!"))
    answer = add_item(db, world.ann, assistant_message("msg_2", "Hi!"))
    for message, actor_id in ((said, world.ann), (answer, assistant_of(db, chatkit))):
        succeed(
            db,
            "edit_message_atomic",
            conversation_id=chatkit,
            actor_id=actor_id,
            message_id=message["message_id"],
            content="What?",
        )
    assert items(db, world.ann) == [
        user_message("msg_1", "What?"),
        assistant_message("msg_2", "What?"),
    ]


@pytest.mark.parametrize("item", [widget("msg_1"), hidden_item("msg_1")])
def test_what_is_no_text_is_not_edited_elsewhere(
    db: Connection, world: World, chatkit: str, item: Json
) -> None:
    said = add_item(db, world.ann, item)
    refuse(
        db,
        "unsupported",
        "edit_message_atomic",
        conversation_id=chatkit,
        actor_id=assistant_of(db, chatkit),
        message_id=said["message_id"],
        content="What?",
    )
    assert items(db, world.ann) == [item]


def test_deleting_the_message_elsewhere_deletes_the_item(
    db: Connection, world: World, chatkit: str
) -> None:
    said = add_item(db, world.ann, user_message("msg_1", "a secret"))
    succeed(
        db,
        "delete_message_atomic",
        conversation_id=chatkit,
        actor_id=world.ann,
        message_id=said["message_id"],
    )
    assert items(db, world.ann) == []
    assert value(db, "select count(*) from chat.thread_items") == 0
    save_item(db, world.ann, user_message("msg_1", "another"))
    assert items(db, world.ann) == [user_message("msg_1", "another")]
