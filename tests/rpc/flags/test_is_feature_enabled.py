"""api.is_feature_enabled."""

import uuid

import pytest

from tests.rpc.behind import acting_as
from tests.rpc.conftest import World
from tests.support import Connection, refuse, succeed

USERS = [str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number))) for number in range(200)]


def set_flag(db: Connection, percent: int, *, enabled: bool = True, flag: str = "dark") -> None:
    """Set one."""
    succeed(db, "set_feature_flag_atomic", flag=flag, enabled=enabled, rollout_percent=percent)


def users_with(db: Connection, flag: str = "dark") -> set[str]:
    """Who has it."""
    return {
        user
        for user in USERS
        if succeed(db, "is_feature_enabled", flag=flag, user_id=user)["enabled"]
    }


def test_an_unknown_flag_is_off(db: Connection, world: World) -> None:
    result = succeed(db, "is_feature_enabled", flag="nothing", user_id=world.ann)
    assert result == {"success": True, "flag": "nothing", "enabled": False}


@pytest.mark.parametrize(
    ("enabled", "percent", "on"),
    [(True, 100, True), (True, 0, False), (False, 100, False), (True, 99, False)],
)
def test_for_everybody_means_for_all_of_them(
    db: Connection, enabled: bool, percent: int, on: bool
) -> None:
    set_flag(db, percent, enabled=enabled)
    assert succeed(db, "is_feature_enabled", flag="dark")["enabled"] is on


def test_who_has_it_keeps_it_while_the_percentage_grows(db: Connection) -> None:
    before: set[str] = set()
    for percent in (0, 10, 50, 51, 100):
        set_flag(db, percent)
        now = users_with(db)
        assert before <= now
        assert abs(len(now) - len(USERS) * percent / 100) < 25
        before = now
    assert before == set(USERS)


def test_flags_pick_different_users(db: Connection) -> None:
    set_flag(db, 50)
    set_flag(db, 50, flag="light")
    assert 50 < len(users_with(db) ^ users_with(db, "light")) < 150


def test_switched_off_it_is_off_for_all_and_back_for_the_same(db: Connection) -> None:
    set_flag(db, 30)
    before = users_with(db)
    set_flag(db, 30, enabled=False)
    assert users_with(db) == set()
    set_flag(db, 30)
    assert users_with(db) == before


def test_the_flag_must_be_named(db: Connection) -> None:
    result = refuse(db, "validation_error", "is_feature_enabled", flag=None)
    assert result["details"] == {"field": "flag"}


def test_end_users_need_a_token(db: Connection, world: World) -> None:
    with acting_as(db, "parley_user"):
        refuse(db, "unauthenticated", "is_feature_enabled", flag="dark", user_id=world.ann)
    with acting_as(db, "parley_user", {"sub": world.ann}):
        succeed(db, "is_feature_enabled", flag="dark", user_id=world.ann)
