"""api.block_user_atomic and api.unblock_user_atomic; what a block does is told where it does it."""

import pytest

from tests.rpc.behind import rows
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, refuse, succeed


def test_a_block_is_there_once(db: Connection, world: World) -> None:
    block = {"actor_id": world.ann, "user_id": world.bob}
    first = succeed(db, "block_user_atomic", **block)
    assert first == {"success": True, "user_id": world.bob}
    assert succeed(db, "block_user_atomic", **block) == first | {"duplicate": True}
    assert rows(db, "select blocker_id::text, blocked_id::text from chat.blocks") == [
        (world.ann, world.bob)
    ]


def test_each_side_blocks_for_itself(db: Connection, world: World) -> None:
    succeed(db, "block_user_atomic", actor_id=world.ann, user_id=world.bob)
    assert "duplicate" not in succeed(
        db, "block_user_atomic", actor_id=world.bob, user_id=world.ann
    )


def test_nobody_is_told(db: Connection, world: World) -> None:
    before = rows(db, "select count(*) from chat.outbox")
    succeed(db, "block_user_atomic", actor_id=world.ann, user_id=world.bob)
    assert rows(db, "select count(*) from chat.outbox") == before


def test_other_tenants_have_nobody_to_block(db: Connection, world: World) -> None:
    for user_id in (world.zoe, NOBODY):
        refuse(db, "not_found", "block_user_atomic", actor_id=world.ann, user_id=user_id)


@pytest.mark.parametrize("user", [None, "ann"])
def test_whom_must_be_said_and_not_oneself(db: Connection, world: World, user: str | None) -> None:
    user_id = user and getattr(world, user)
    result = refuse(
        db, "validation_error", "block_user_atomic", actor_id=world.ann, user_id=user_id
    )
    assert result["details"] == {"field": "user_id"}
