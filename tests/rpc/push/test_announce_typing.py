"""api.announce_typing."""

import pytest

from tests.rpc.behind import published
from tests.rpc.conftest import World
from tests.support import Connection, refuse, send, succeed


def test_the_others_are_told_and_nothing_is_kept(db: Connection, world: World) -> None:
    result = succeed(db, "announce_typing", conversation_id=world.group, actor_id=world.ann)
    assert result == {"success": True}
    event = {"type": "typing", "conversation_id": world.group, "user_id": world.ann}
    assert published(db, world.group)[-1] == (event, [world.ann])
    assert send(db, world.group, world.ann, "done")["seq"] == 3


def test_who_blocked_the_typist_is_not_told(db: Connection, world: World) -> None:
    succeed(db, "block_user_atomic", actor_id=world.cid, user_id=world.ann)
    succeed(db, "announce_typing", conversation_id=world.group, actor_id=world.ann)
    assert published(db, world.group)[-1][1] == [world.cid, world.ann]


@pytest.mark.parametrize("actor", ["ann", "bob"])
def test_a_blocked_pair_does_not_see_each_other_type(
    db: Connection, world: World, actor: str
) -> None:
    succeed(db, "block_user_atomic", actor_id=world.ann, user_id=world.bob)
    refuse(
        db,
        "blocked",
        "announce_typing",
        conversation_id=world.direct,
        actor_id=getattr(world, actor),
    )


def test_nobody_types_in_a_closed_conversation(db: Connection, world: World) -> None:
    succeed(db, "close_conversation_atomic", conversation_id=world.group, actor_id=world.ann)
    refuse(
        db,
        "conversation_closed",
        "announce_typing",
        conversation_id=world.group,
        actor_id=world.bob,
    )
