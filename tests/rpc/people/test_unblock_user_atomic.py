"""api.unblock_user_atomic."""

from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, refuse, send, succeed


def test_only_ones_own_block_goes(db: Connection, world: World) -> None:
    succeed(db, "block_user_atomic", actor_id=world.ann, user_id=world.bob)
    unblock = {"actor_id": world.bob, "user_id": world.ann}
    assert succeed(db, "unblock_user_atomic", **unblock)["duplicate"] is True
    refuse(
        db,
        "blocked",
        "send_message_atomic",
        conversation_id=world.direct,
        actor_id=world.bob,
        content="hi",
    )
    result = succeed(db, "unblock_user_atomic", actor_id=world.ann, user_id=world.bob)
    assert result == {"success": True, "user_id": world.bob}
    send(db, world.direct, world.bob, "hi")


def test_both_have_to_unblock(db: Connection, world: World) -> None:
    pair = (world.ann, world.bob)
    for one, other in (pair, pair[::-1]):
        succeed(db, "block_user_atomic", actor_id=one, user_id=other)
    succeed(db, "unblock_user_atomic", actor_id=world.ann, user_id=world.bob)
    refuse(
        db,
        "blocked",
        "send_message_atomic",
        conversation_id=world.direct,
        actor_id=world.ann,
        content="hi",
    )


def test_nothing_to_unblock_is_a_duplicate(db: Connection, world: World) -> None:
    for user_id in (world.cid, world.zoe, NOBODY):
        result = succeed(db, "unblock_user_atomic", actor_id=world.ann, user_id=user_id)
        assert result["duplicate"] is True


def test_whom_must_be_said(db: Connection, world: World) -> None:
    result = refuse(db, "validation_error", "unblock_user_atomic", actor_id=world.ann, user_id=None)
    assert result["details"] == {"field": "user_id"}
