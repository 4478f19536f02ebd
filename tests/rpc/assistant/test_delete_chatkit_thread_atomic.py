"""api.delete_chatkit_thread_atomic."""

import pytest

from tests.rpc.assistant.chatkit import (
    add_item,
    items,
    load_thread,
    save_thread,
    thread,
    user_message,
)
from tests.rpc.behind import events, value
from tests.rpc.conftest import World
from tests.support import Connection, refuse, succeed


def test_it_is_gone_with_its_items(db: Connection, world: World) -> None:
    conversation_id = save_thread(db, world.ann)["conversation_id"]
    add_item(db, world.ann, user_message("msg_1", "hello"))
    result = succeed(db, "delete_chatkit_thread_atomic", thread_id="thr_1", actor_id=world.ann)
    assert (result["thread_id"], result["data"]) == ("thr_1", thread())
    refuse(db, "not_found", "load_chatkit_thread", thread_id="thr_1", actor_id=world.ann)
    assert items(db, world.ann) == []
    assert value(db, "select count(*) from chat.thread_items") == 0
    assert [one["type"] for one in events(db, conversation_id)] == ["conversation_deleted"]


def test_its_id_begins_another(db: Connection, world: World) -> None:
    save_thread(db, world.ann)
    add_item(db, world.ann, user_message("msg_1", "hello"))
    succeed(db, "delete_chatkit_thread_atomic", thread_id="thr_1", actor_id=world.ann)
    assert "duplicate" not in save_thread(db, world.bob)
    assert items(db, world.bob) == []


def test_again_it_is_gone(db: Connection, world: World) -> None:
    about = {"thread_id": world.talk, "actor_id": world.ann}
    succeed(db, "delete_chatkit_thread_atomic", **about)
    refuse(db, "not_found", "delete_chatkit_thread_atomic", **about)


@pytest.mark.parametrize("who", ["bob", "zoe"])
def test_somebody_elses_does_not_exist(db: Connection, world: World, who: str) -> None:
    save_thread(db, world.ann)
    refuse(
        db,
        "not_found",
        "delete_chatkit_thread_atomic",
        thread_id="thr_1",
        actor_id=getattr(world, who),
    )
    assert load_thread(db, world.ann) == thread()


def test_conversations_of_other_kinds_stay(db: Connection, world: World) -> None:
    for conversation_id in (world.group, world.thread):
        refuse(
            db,
            "not_found",
            "delete_chatkit_thread_atomic",
            thread_id=conversation_id,
            actor_id=world.ann,
        )


def test_it_must_be_named(db: Connection, world: World) -> None:
    by_ann = {"actor_id": world.ann}
    refuse(db, "validation_error", "delete_chatkit_thread_atomic", thread_id=None, **by_ann)
    refuse(db, "too_large", "delete_chatkit_thread_atomic", thread_id="x" * 201, **by_ann)
