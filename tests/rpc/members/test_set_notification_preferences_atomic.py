"""api.set_notification_preferences_atomic."""

import pytest

from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed


@pytest.fixture
def by_bob(world: World) -> Json:
    """Bob in the group."""
    return {"conversation_id": world.group, "actor_id": world.bob}


@pytest.mark.parametrize("notify", ["all", "mentions", "none"])
def test_they_are_kept(db: Connection, by_bob: Json, notify: str) -> None:
    until = "2030-01-01T00:00:00+00:00"
    result = succeed(
        db, "set_notification_preferences_atomic", **by_bob, notify=notify, muted_until=until
    )
    assert result == {"success": True, "notify": notify, "muted_until": until}
    seen = succeed(db, "get_conversation", **by_bob)["conversation"]
    assert (seen["notify"], seen["muted_until"]) == (notify, until)


def test_what_is_not_given_stays(db: Connection, by_bob: Json) -> None:
    until = "2030-01-01T00:00:00+00:00"
    succeed(db, "set_notification_preferences_atomic", **by_bob, muted_until=until)
    result = succeed(db, "set_notification_preferences_atomic", **by_bob, notify="none")
    assert (result["notify"], result["muted_until"]) == ("none", until)
    result = succeed(db, "set_notification_preferences_atomic", **by_bob)
    assert (result["notify"], result["muted_until"]) == ("none", until)


def test_time_that_has_passed_ends_muting(db: Connection, by_bob: Json) -> None:
    succeed(db, "set_notification_preferences_atomic", **by_bob, muted_until="2030-01-01")
    result = succeed(db, "set_notification_preferences_atomic", **by_bob, muted_until="2020-01-01")
    assert (result["notify"], result["muted_until"]) == ("all", None)


def test_they_are_ones_own(db: Connection, world: World, by_bob: Json) -> None:
    succeed(db, "set_notification_preferences_atomic", **by_bob, notify="none")
    by_ann = by_bob | {"actor_id": world.ann}
    assert succeed(db, "get_conversation", **by_ann)["conversation"]["notify"] == "all"


def test_a_choice_is_one_of_three(db: Connection, by_bob: Json) -> None:
    result = refuse(
        db, "validation_error", "set_notification_preferences_atomic", **by_bob, notify="some"
    )
    assert result["details"] == {"field": "notify"}
