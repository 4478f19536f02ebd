"""api.get_user."""

from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.rpc.people.test_upsert_user_atomic import USER_KEYS
from tests.support import Connection, refuse, succeed


def test_oneself_comes_with_blocks_and_address(db: Connection, world: World) -> None:
    succeed(db, "upsert_user_atomic", user_id=world.ann, email="ann@example.com")
    for user_id in (world.bob, world.cid):
        succeed(db, "block_user_atomic", actor_id=world.ann, user_id=user_id)
    for given in ({}, {"user_id": world.ann}):
        user = succeed(db, "get_user", actor_id=world.ann, **given)["user"]
        assert set(user) == USER_KEYS | {"blocked_user_ids"}
        assert user["email"] == "ann@example.com"
        assert user["blocked_user_ids"] == sorted([world.bob, world.cid])


def test_others_come_without(db: Connection, world: World) -> None:
    user = succeed(db, "get_user", actor_id=world.bob, user_id=world.ann)["user"]
    assert set(user) == USER_KEYS - {"email"}


def test_other_tenants_have_no_users(db: Connection, world: World) -> None:
    for user_id in (world.zoe, NOBODY):
        refuse(db, "not_found", "get_user", actor_id=world.ann, user_id=user_id)
