"""api.list_thread_items."""

import json
from datetime import datetime
from typing import Any

import pytest

from tests.rpc.assistant.chatkit import (
    add_item,
    assistant_message,
    hidden_item,
    ids,
    save_thread,
    user_message,
    widget,
)
from tests.rpc.assistant.runs import assistant_of
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


@pytest.fixture
def chatkit(db: Connection, world: World) -> str:
    """Ann's thread as a Store knows it; its conversation."""
    conversation_id: str = save_thread(db, world.ann)["conversation_id"]
    return conversation_id


def listed(db: Connection, conversation_id: str, **arguments: Any) -> Json:
    """List items, oldest first; the page."""
    return succeed(
        db,
        "list_thread_items",
        **{"conversation_id": conversation_id, "order": "asc", **arguments},
    )


def told(db: Connection, world: World, chatkit: str, item: Json) -> Json:
    """Add an item; how OpenAI's SDK is told of it."""
    added = add_item(db, world.ann, item)
    (found,) = listed(db, chatkit)["data"]
    created_at = datetime.fromisoformat(added["message"]["created_at"])
    assert found["created_at"] == int(created_at.timestamp())
    assert (found["id"], found["thread_id"]) == (item["id"], chatkit)
    assert found["object"] == "chatkit.thread_item"
    known = ("id", "thread_id", "created_at", "object")
    return {key: given for key, given in found.items() if key not in known}


def test_what_a_user_says(db: Connection, world: World, chatkit: str) -> None:
    item = user_message(
        "msg_1",
        "Is this",
        quoted_text="a bike",
        attachments=[
            {
                "id": "file_1",
                "type": "image",
                "name": "a.png",
                "mime_type": "image/png",
                "preview_url": "https://example.com/a.png",
                "metadata": {"secret": True},
            },
            {"id": "file_2", "type": "file", "name": "a.txt", "mime_type": "text/plain"},
        ],
    )
    item["content"].append({"type": "input_tag", "id": "b1", "text": "bike", "data": {}})
    assert told(db, world, chatkit, item) == {
        "type": "chatkit.user_message",
        "content": [
            {"type": "quoted_text", "text": "a bike"},
            {"type": "input_text", "text": "Is this"},
            {"type": "input_text", "text": "@bike"},
        ],
        "attachments": [
            {
                "id": "file_1",
                "type": "image",
                "name": "a.png",
                "mime_type": "image/png",
                "preview_url": "https://example.com/a.png",
            },
            {
                "id": "file_2",
                "type": "file",
                "name": "a.txt",
                "mime_type": "text/plain",
                "preview_url": None,
            },
        ],
        "inference_options": {"tool_choice": None, "model": None},
    }


def test_what_the_assistant_says(db: Connection, world: World, chatkit: str) -> None:
    item = assistant_message("msg_1", "A red one")
    item["content"][0]["annotations"] = [
        {"type": "annotation", "source": {"type": "url", "url": "https://example.com"}},
        {"type": "annotation", "source": {"type": "entity", "id": "b1"}},
        {"type": "annotation", "source": {"type": "file", "filename": "a.txt"}},
    ]
    assert told(db, world, chatkit, item) == {
        "type": "chatkit.assistant_message",
        "content": [
            {
                "type": "output_text",
                "text": "A red one",
                "annotations": [
                    {"type": "url", "source": {"type": "url", "url": "https://example.com"}},
                    {"type": "file", "source": {"type": "file", "filename": "a.txt"}},
                ],
            }
        ],
    }


def test_a_widget(db: Connection, world: World, chatkit: str) -> None:
    found = told(db, world, chatkit, widget("msg_1"))
    assert found["type"] == "chatkit.widget"
    assert json.loads(found["widget"]) == {"type": "Card", "children": []}


@pytest.mark.parametrize(
    ("status", "output", "told_status", "told_output"),
    [
        ("pending", None, "in_progress", None),
        ("completed", {"ok": True}, "completed", '{"ok": true}'),
    ],
)
def test_a_call_of_a_tool(
    db: Connection,
    world: World,
    chatkit: str,
    status: str,
    output: Json | None,
    told_status: str,
    told_output: str | None,
) -> None:
    item = widget(
        "msg_1",
        type="client_tool_call",
        call_id="call_1",
        name="ring",
        arguments={"loud": True},
        status=status,
        output=output,
    )
    assert told(db, world, chatkit, item) == {
        "type": "chatkit.client_tool_call",
        "call_id": "call_1",
        "name": "ring",
        "arguments": '{"loud": true}',
        "status": told_status,
        "output": told_output,
    }


def test_tasks(db: Connection, world: World, chatkit: str) -> None:
    thought = {"type": "thought", "title": None, "content": "hm"}
    item = widget("msg_1", type="task", task=thought)
    assert told(db, world, chatkit, item) == {
        "type": "chatkit.task",
        "task_type": "thought",
        "heading": None,
        "summary": "hm",
    }


def test_tasks_in_a_group(db: Connection, world: World, chatkit: str) -> None:
    tasks = [
        {"type": "thought", "title": "Thinking", "content": "hm"},
        {"type": "web_search", "title": "Searching", "queries": []},
    ]
    item = widget("msg_1", type="workflow", workflow={"type": "reasoning", "tasks": tasks})
    assert told(db, world, chatkit, item) == {
        "type": "chatkit.task_group",
        "tasks": [
            {"type": "thought", "heading": "Thinking", "summary": "hm"},
            {"type": "custom", "heading": "Searching", "summary": None},
        ],
    }


def test_what_the_sdk_does_not_know_or_is_hidden_is_left_out(
    db: Connection, world: World, chatkit: str
) -> None:
    for item in (
        widget("msg_1", type="generated_image"),
        widget("msg_2", type="end_of_turn"),
        hidden_item("note_1"),
        assistant_message("msg_3", "Red"),
    ):
        add_item(db, world.ann, item)
    for actor_id in (world.ann, assistant_of(db, chatkit), None):
        assert ids(listed(db, chatkit, actor_id=actor_id)) == ["msg_3"]


def test_messages_of_another_way_are_among_them(db: Connection, world: World) -> None:
    said = send(db, world.talk, world.ann, "hello")
    answer = send(db, world.talk, assistant_of(db, world.talk), "hello Ann")
    page = listed(db, world.talk, actor_id=world.ann)
    assert [(one["id"], one["type"]) for one in page["data"]] == [
        (said["id"], "chatkit.user_message"),
        (answer["id"], "chatkit.assistant_message"),
    ]
    assert page["data"][0]["content"] == [{"type": "input_text", "text": "hello"}]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_follow_each_other(db: Connection, world: World, chatkit: str, order: str) -> None:
    added = [f"msg_{number}" for number in (5, 3, 9, 1, 7)]
    for item_id in added:
        add_item(db, world.ann, user_message(item_id, "Hello!"))
        add_item(db, world.ann, hidden_item(f"{item_id}_note"))
    there = added if order == "asc" else added[::-1]
    seen: list[str] = []
    after = None
    while True:
        page = listed(db, chatkit, limit=2, order=order, after=after)
        assert (page["object"], page["first_id"]) == ("list", ids(page)[0])
        seen += ids(page)
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert seen == there
    page = listed(db, chatkit, limit=2, order=order, before=there[3])
    assert (ids(page), page["has_more"]) == (there[1:3], True)
    page = listed(db, chatkit, order=order, after=there[0], before=there[3])
    assert ids(page) == there[1:3]


def test_an_empty_page_has_no_ends(db: Connection, world: World, chatkit: str) -> None:
    page = listed(db, chatkit)
    assert (page["data"], page["has_more"]) == ([], False)
    assert (page["first_id"], page["last_id"]) == (None, None)


def test_a_cursor_is_one_of_them(db: Connection, world: World, chatkit: str) -> None:
    for name in ("after", "before"):
        refuse(
            db,
            "not_found",
            "list_thread_items",
            conversation_id=chatkit,
            actor_id=world.ann,
            **{name: "msg_x"},
        )


def test_a_conversation_of_another_kind_is_none(db: Connection, world: World) -> None:
    refuse(
        db,
        "not_found",
        "list_thread_items",
        conversation_id=world.group,
        actor_id=world.ann,
    )


@pytest.mark.parametrize(
    ("field", "given"), [("limit", 0), ("limit", 101), ("order", "up"), ("order", None)]
)
def test_what_makes_no_page_is_named(db: Connection, world: World, field: str, given: Any) -> None:
    result = refuse(
        db,
        "validation_error",
        "list_thread_items",
        conversation_id=world.talk,
        actor_id=world.ann,
        **{field: given},
    )
    assert result["details"] == {"field": field}
