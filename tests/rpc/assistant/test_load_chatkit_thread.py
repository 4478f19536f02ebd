"""api.load_chatkit_thread."""

from datetime import datetime

import pytest

from tests.rpc.assistant.chatkit import load_thread, save_thread, thread
from tests.rpc.behind import set_limit
from tests.rpc.conftest import World
from tests.support import Connection, refuse, succeed


def test_it_is_what_was_saved(db: Connection, world: World) -> None:
    conversation_id = save_thread(db, world.ann)["conversation_id"]
    assert succeed(db, "load_chatkit_thread", thread_id="thr_1", actor_id=world.ann) == {
        "success": True,
        "thread_id": "thr_1",
        "conversation_id": conversation_id,
        "data": thread(),
    }


def test_what_happened_to_its_conversation_shows(db: Connection, world: World) -> None:
    conversation_id = save_thread(db, world.ann)["conversation_id"]
    about = {"conversation_id": conversation_id, "actor_id": world.ann}
    succeed(db, "update_conversation_atomic", **about, title="Renamed", metadata={})
    succeed(db, "close_conversation_atomic", **about)
    assert load_thread(db, world.ann) == thread(
        title="Renamed", metadata={}, status={"type": "closed"}
    )
    succeed(db, "reopen_conversation_atomic", **about)
    assert load_thread(db, world.ann)["status"] == {"type": "active"}


def test_one_begun_elsewhere_is_made_of_its_conversation(db: Connection, world: World) -> None:
    created = succeed(
        db, "create_thread_atomic", actor_id=world.ann, title="My bike", metadata={"a": 1}
    )
    loaded = load_thread(db, world.ann, created["thread_id"])
    assert datetime.fromisoformat(loaded["created_at"]) == datetime.fromisoformat(
        created["data"]["created_at"]
    )
    assert loaded == {
        "id": created["thread_id"],
        "title": "My bike",
        "metadata": {"a": 1},
        "status": {"type": "active"},
        "created_at": loaded["created_at"],
    }


@pytest.mark.parametrize("who", ["bob", "zoe"])
def test_somebody_elses_does_not_exist(db: Connection, world: World, who: str) -> None:
    save_thread(db, world.ann)
    for thread_id in ("thr_1", world.talk, "thr_2"):
        refuse(
            db,
            "not_found",
            "load_chatkit_thread",
            thread_id=thread_id,
            actor_id=getattr(world, who),
        )


def test_a_conversation_of_another_kind_is_none(db: Connection, world: World) -> None:
    refuse(db, "not_found", "load_chatkit_thread", thread_id=world.group, actor_id=world.ann)


@pytest.mark.parametrize("given", [None, "", " "])
def test_it_must_be_named(db: Connection, world: World, given: str | None) -> None:
    result = refuse(
        db, "validation_error", "load_chatkit_thread", thread_id=given, actor_id=world.ann
    )
    assert result["details"] == {"field": "thread_id"}


def test_ids_have_a_limit(db: Connection, world: World) -> None:
    set_limit(db, "key_characters", 5)
    refuse(db, "too_large", "load_chatkit_thread", thread_id="thr_12", actor_id=world.ann)
