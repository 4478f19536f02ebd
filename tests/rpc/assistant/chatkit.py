"""What tests of the functions behind a ChatKit Store say: threads, items, pages."""

from typing import Any

from tests.support import Connection, Json, succeed

THREAD = "thr_1"


def thread(thread_id: str = THREAD, **more: Any) -> Json:
    """Return a thread as ChatKit saves it."""
    return {
        "id": thread_id,
        "title": "A bike",
        "created_at": "2026-11-21T10:00:00.123456",
        "status": {"type": "active"},
        "metadata": {"colour": "red"},
        **more,
    }


def user_message(item_id: str, *texts: str, **more: Any) -> Json:
    """Return what a user says."""
    return {
        "id": item_id,
        "thread_id": THREAD,
        "created_at": "2026-11-21T10:00:01.5",
        "type": "user_message",
        "content": [{"type": "input_text", "text": text} for text in texts],
        "attachments": [],
        "quoted_text": None,
        "inference_options": {"tool_choice": None, "model": None},
        **more,
    }


def assistant_message(item_id: str, *texts: str, **more: Any) -> Json:
    """Return what the assistant says."""
    return {
        "id": item_id,
        "thread_id": THREAD,
        "created_at": "2026-11-21T10:00:02",
        "type": "assistant_message",
        "content": [{"type": "output_text", "text": text, "annotations": []} for text in texts],
        **more,
    }


def hidden_item(item_id: str, **more: Any) -> Json:
    """Return what the user is not to see."""
    return {
        "id": item_id,
        "thread_id": THREAD,
        "created_at": "2026-11-21T10:00:03",
        "type": "hidden_context_item",
        "content": "the user rides a bike",
        **more,
    }


def widget(item_id: str, **more: Any) -> Json:
    """Return something to click on."""
    return {
        "id": item_id,
        "thread_id": THREAD,
        "created_at": "2026-11-21T10:00:04",
        "type": "widget",
        "widget": {"type": "Card", "children": []},
        **more,
    }


def save_thread(db: Connection, actor_id: str, **fields: Any) -> Json:
    """Save a thread of somebody's; what it answers."""
    saved = thread(**fields)
    return succeed(
        db,
        "save_chatkit_thread_atomic",
        thread_id=saved["id"],
        actor_id=actor_id,
        thread=saved,
    )


def load_thread(db: Connection, actor_id: str, thread_id: str = THREAD) -> Json:
    """Load it; the thread."""
    loaded: Json = succeed(db, "load_chatkit_thread", thread_id=thread_id, actor_id=actor_id)[
        "data"
    ]
    return loaded


def add_item(db: Connection, actor_id: str, item: Json, thread_id: str = THREAD) -> Json:
    """Add an item; what it answers."""
    return succeed(db, "add_chatkit_item_atomic", thread_id=thread_id, actor_id=actor_id, item=item)


def save_item(db: Connection, actor_id: str, item: Json, thread_id: str = THREAD) -> Json:
    """Save an item; what it answers."""
    return succeed(
        db, "save_chatkit_item_atomic", thread_id=thread_id, actor_id=actor_id, item=item
    )


def items(db: Connection, actor_id: str, thread_id: str = THREAD, **more: Any) -> list[Json]:
    """Return the items of a thread, in the order they came."""
    page = succeed(
        db,
        "list_chatkit_items",
        **{"thread_id": thread_id, "actor_id": actor_id, "order": "asc", "limit": 100, **more},
    )
    found: list[Json] = page["data"]
    return found


def ids(page: Json) -> list[str]:
    """Return the ids of a page, in its order."""
    return [one["id"] for one in page["data"]]
