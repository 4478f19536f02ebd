"""api.set_feature_flag_atomic."""

import pytest

from tests.rpc.behind import rows
from tests.support import Connection, Json, refuse, succeed


def test_a_flag_is_set_and_set_again(db: Connection) -> None:
    for enabled, percent in ((True, 10), (False, 100)):
        result = succeed(
            db,
            "set_feature_flag_atomic",
            flag="new.inbox-2",
            enabled=enabled,
            rollout_percent=percent,
        )
        assert result == {
            "success": True,
            "flag": "new.inbox-2",
            "enabled": enabled,
            "rollout_percent": percent,
        }
    assert rows(db, "select count(*) from chat.feature_flags where flag = 'new.inbox-2'") == [(1,)]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"flag": None}, "flag"),
        ({"flag": "true\n"}, "flag"),
        ({"flag": "Dark"}, "flag"),
        ({"flag": "x" * 65}, "flag"),
        ({"enabled": None}, "enabled"),
        ({"rollout_percent": None}, "rollout_percent"),
        ({"rollout_percent": -1}, "rollout_percent"),
        ({"rollout_percent": 101}, "rollout_percent"),
    ],
)
def test_arguments_are_checked(db: Connection, given: Json, field: str) -> None:
    arguments = {"flag": "dark", "enabled": True} | given
    result = refuse(db, "validation_error", "set_feature_flag_atomic", **arguments)
    assert result["details"] == {"field": field}
