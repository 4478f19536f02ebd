"""api.list_sessions."""

import pytest

from tests.rpc.assistant.runs import new_session
from tests.rpc.behind import rows
from tests.rpc.conftest import World
from tests.support import Connection, refuse, succeed


def test_ones_own_newest_first(db: Connection, world: World) -> None:
    made = [new_session(db, world.ann) for _ in range(3)]
    new_session(db, world.bob)
    result = succeed(db, "list_sessions", actor_id=world.ann)
    assert [one["id"] for one in result["data"]] == made[::-1]
    assert result["sessions"] == result["data"]
    assert (result["has_more"], result["next_before"]) == (False, None)


def test_each_tells_what_has_become_of_it(db: Connection, world: World) -> None:
    over, ended, active = (new_session(db, world.ann) for _ in range(3))
    rows(db, "update chat.sessions set expires_at = clock_timestamp() where session_id = %s", over)
    succeed(db, "cancel_session_atomic", session_id=ended, actor_id=world.ann)
    listed = succeed(db, "list_sessions", actor_id=world.ann)["data"]
    assert {one["id"]: one["status"] for one in listed} == {
        over: "expired",
        ended: "cancelled",
        active: "active",
    }
    assert listed[0] == succeed(db, "get_session", session_id=active)["data"]


def test_who_has_none_has_an_empty_list(db: Connection, world: World) -> None:
    result = succeed(db, "list_sessions", actor_id=world.dee)
    assert (result["data"], result["has_more"], result["next_before"]) == ([], False, None)


@pytest.mark.parametrize("same_time", [False, True])
def test_pages_follow_each_other(db: Connection, world: World, same_time: bool) -> None:
    made = [new_session(db, world.ann) for _ in range(5)]
    if same_time:
        rows(db, "update chat.sessions set created_at = date_trunc('day', created_at)")
        made.sort()
    seen: list[str] = []
    before = None
    while True:
        result = succeed(db, "list_sessions", actor_id=world.ann, limit=2, before=before)
        seen += [one["id"] for one in result["data"]]
        before = result["next_before"]
        assert result["has_more"] == (before is not None)
        if before is None:
            break
    assert seen == made[::-1]


def test_a_cursor_is_one_of_ones_own(db: Connection, world: World) -> None:
    other = new_session(db, world.bob)
    refuse(db, "not_found", "list_sessions", actor_id=world.ann, before=other)


@pytest.mark.parametrize("limit", [None, 0, 101])
def test_a_page_has_1_to_100(db: Connection, world: World, limit: int | None) -> None:
    result = refuse(db, "validation_error", "list_sessions", actor_id=world.ann, limit=limit)
    assert result["details"] == {"field": "limit"}
