"""api.get_assistant_thread."""

import pytest

from tests.rpc.assistant.runs import assistant_of
from tests.rpc.behind import acting_as
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, refuse, send, succeed


def test_it_is_what_its_creation_told(db: Connection, world: World) -> None:
    created = succeed(db, "create_thread_atomic", actor_id=world.ann, title="My bike")
    thread = created["thread_id"]
    for actor_id in (world.ann, assistant_of(db, thread), None):
        found = succeed(db, "get_assistant_thread", conversation_id=thread, actor_id=actor_id)
        assert found == created


def test_it_is_told_as_it_is_now(db: Connection, world: World) -> None:
    send(db, world.talk, world.ann, "hello")
    found = succeed(db, "get_assistant_thread", conversation_id=world.talk, actor_id=world.ann)
    assert found["data"]["last_seq"] == 1


def test_others_do_not_see_it(db: Connection, world: World) -> None:
    about = {"conversation_id": world.talk}
    with acting_as(db, "parley_user", {"sub": world.bob}):
        refuse(db, "not_a_member", "get_assistant_thread", **about)
    with acting_as(db, "parley_user", {"sub": world.zoe}):
        refuse(db, "not_found", "get_assistant_thread", **about)


@pytest.mark.parametrize("with_actor", [False, True])
def test_a_conversation_of_another_kind_is_none(
    db: Connection, world: World, with_actor: bool
) -> None:
    actor_id = world.ann if with_actor else None
    for conversation_id in (world.group, world.thread, NOBODY):
        refuse(
            db,
            "not_found",
            "get_assistant_thread",
            conversation_id=conversation_id,
            actor_id=actor_id,
        )


def test_a_service_names_one(db: Connection) -> None:
    result = refuse(db, "validation_error", "get_assistant_thread", conversation_id=None)
    assert result["details"] == {"field": "conversation_id"}
