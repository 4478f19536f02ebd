"""api.list_runs."""

import pytest

from tests.rpc.assistant.runs import ask, claim, complete, new_session, unknown
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed


def answered(db: Connection, world: World, count: int) -> list[str]:
    """Ask and answer so many questions; the runs, the latest first."""
    asked = []
    for number in range(count):
        asked.append(ask(db, world.talk, world.ann, f"why {number}?")["run_id"])
        complete(db, claim(db), "because")
    return asked[::-1]


def listed(db: Connection, world: World, **more: object) -> Json:
    """List the thread's runs."""
    return succeed(db, "list_runs", conversation_id=world.talk, actor_id=world.ann, **more)


def test_the_latest_run_comes_first(db: Connection, world: World) -> None:
    ids = answered(db, world, 2)
    active = ask(db, world.talk, world.ann)
    result = listed(db, world)
    assert [run["id"] for run in result["data"]] == [active["run_id"], *ids]
    assert result["data"][0] == active["data"]
    assert (result["runs"], result["has_more"]) == (result["data"], False)


def test_pages_follow_each_other(db: Connection, world: World) -> None:
    ids = answered(db, world, 5)
    seen: list[str] = []
    has_more = True
    while has_more:
        page = listed(db, world, limit=2, before=seen[-1] if seen else None)
        has_more = page["has_more"]
        assert 1 <= len(page["runs"]) <= 2
        seen += [run["id"] for run in page["runs"]]
    assert seen == ids


def test_a_thread_nothing_was_asked_in_has_none(db: Connection, world: World) -> None:
    assert listed(db, world) == {"success": True, "data": [], "runs": [], "has_more": False}


@pytest.mark.parametrize("limit", [0, 101, None])
def test_a_page_has_a_size(db: Connection, world: World, limit: int | None) -> None:
    refused = refuse(
        db,
        "validation_error",
        "list_runs",
        conversation_id=world.talk,
        actor_id=world.ann,
        limit=limit,
    )
    assert refused["details"] == {"field": "limit"}


def test_a_session_beside_it_must_be_ones_own(db: Connection, world: World) -> None:
    listed(db, world, session_id=new_session(db, world.ann))
    for session_id in (new_session(db, world.bob), unknown()):
        refuse(
            db,
            "not_found",
            "list_runs",
            conversation_id=world.talk,
            actor_id=world.ann,
            session_id=session_id,
        )
